package peers

import (
	"database/sql"

	"github.com/XSAM/otelsql"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
)

// OpenDB opens a traced database of a system such as "sqlite".
func (p *Peers) OpenDB(driver, dsn, system string) (*sql.DB, error) {
	return otelsql.Open(driver, dsn, otelsql.WithTracerProvider(p.provider), otelsql.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelsql.WithAttributes(semconv.DBSystemNameKey.String(system)),
		otelsql.WithSpanOptions(otelsql.SpanOptions{OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true, OmitConnectorConnect: true}))
}

// InstrumentRedis traces a client.
func (p *Peers) InstrumentRedis(c *redis.Client) error {
	return redisotel.InstrumentTracing(c, redisotel.WithTracerProvider(p.provider))
}
