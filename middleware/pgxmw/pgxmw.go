// Package pgxmw measures pgx. Each statement has a span and RED metrics. The time
// of a statement and the wait for a connection of a pgxpool count as waits of the
// hop.
//
//	cfg, err := pgxpool.ParseConfig(dsn)
//	cfg.ConnConfig.Tracer = pgxmw.Tracer("orders-db")
//	pool, err := pgxpool.NewWithConfig(ctx, cfg)
//
// The same tracer measures the pool. For database/sql over pgx use sqlmw. No signal
// has the text of a statement, its arguments or the text of an error.
package pgxmw

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
)

const systemName = "postgresql"

type config struct{ core *adapter.Core }

// Option configures a tracer.
type Option func(*config)

// WithTelemetry sets the telemetry. The default is hop.Default. It panics when t is
// nil.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("pgxmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// QueryTracer implements pgx's tracers for statements, batches, COPY, PREPARE, new
// connections and waits for pooled connections.
type QueryTracer struct {
	client  *database.Client
	pool    adapter.Dependency
	located atomic.Pointer[located]
}

// located holds the location of the database that a tracer's connections lead to. One
// tracer may serve several databases.
type located struct {
	database.Location
	attributes []attribute.KeyValue // none if there are several
	several    bool
}

var (
	_ pgx.QueryTracer       = (*QueryTracer)(nil)
	_ pgx.BatchTracer       = (*QueryTracer)(nil)
	_ pgx.CopyFromTracer    = (*QueryTracer)(nil)
	_ pgx.PrepareTracer     = (*QueryTracer)(nil)
	_ pgx.ConnectTracer     = (*QueryTracer)(nil)
	_ pgxpool.AcquireTracer = (*QueryTracer)(nil)
)

// Tracer returns a tracer for pgx.ConnConfig.Tracer. dependency is the database's
// logical name in metrics, such as "orders-db". It panics for an empty name, a nil
// option or a registry that refuses its metrics.
func Tracer(dependency string, opts ...Option) *QueryTracer {
	if dependency == "" {
		panic(`pgxmw: Tracer: the dependency needs a name, such as "orders-db"`)
	}
	var c config
	for _, o := range opts {
		if o == nil {
			panic("pgxmw: nil option")
		}
		o(&c)
	}
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	client, err := database.NewClient(c.core, systemName, adapter.Dependency{Name: dependency, Kind: adapter.KindDatabase})
	if err != nil {
		panic("pgxmw: " + err.Error())
	}
	return &QueryTracer{client: client, pool: adapter.Dependency{Name: dependency, Kind: adapter.KindPool}}
}

type (
	statementKey struct{}
	acquireKey   struct{}
)

func (t *QueryTracer) start(ctx context.Context, operation string, attrs ...attribute.KeyValue) context.Context {
	if at := t.located.Load(); at != nil {
		if attrs == nil {
			attrs = at.attributes
		} else {
			attrs = append(attrs, at.attributes...)
		}
	}
	ctx, s := t.client.Begin(ctx, operation, attrs...)
	return context.WithValue(ctx, statementKey{}, &s)
}

// locate records where a connection leads.
func (t *QueryTracer) locate(cfg *pgx.ConnConfig) {
	if cfg == nil {
		return
	}
	l := database.Location{Namespace: cfg.Database, Address: cfg.Host, Port: int(cfg.Port)}
	for _, f := range cfg.Fallbacks {
		if f.Host != cfg.Host || f.Port != cfg.Port {
			l.Address, l.Port = "", 0 // any of several servers
		}
	}
	for {
		known := t.located.Load()
		next := &located{several: true}
		switch {
		case known == nil:
			next = &located{Location: l, attributes: l.Attributes()}
		case known.several || known.Location == l:
			return
		}
		if t.located.CompareAndSwap(known, next) {
			return
		}
	}
}

func (t *QueryTracer) end(ctx context.Context, err error) {
	if s, ok := ctx.Value(statementKey{}).(*database.Statement); ok {
		s.End(errorType(err))
	}
}

// TraceQueryStart starts the measurement of a statement.
func (t *QueryTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return t.start(ctx, database.Operation(data.SQL))
}

// TraceQueryEnd ends the measurement of a statement. pgx calls it when the rows are
// closed.
func (t *QueryTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	t.end(ctx, data.Err)
}

// TraceBatchStart starts the measurement of a batch, which has one span for all its
// statements.
func (t *QueryTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	size := 0
	if data.Batch != nil {
		size = data.Batch.Len()
	}
	return t.start(ctx, "BATCH", attribute.Int("db.operation.batch.size", size))
}

// TraceBatchQuery does nothing: a batch is measured as a whole.
func (t *QueryTracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd ends the measurement of a batch.
func (t *QueryTracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	t.end(ctx, data.Err)
}

// TraceCopyFromStart starts the measurement of a COPY.
func (t *QueryTracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return t.start(ctx, "COPY")
}

// TraceCopyFromEnd ends the measurement of a COPY.
func (t *QueryTracer) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromEndData) {
	t.end(ctx, data.Err)
}

// TracePrepareStart starts the measurement of a PREPARE.
func (t *QueryTracer) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	return t.start(ctx, "PREPARE")
}

// TracePrepareEnd ends the measurement of a PREPARE.
func (t *QueryTracer) TracePrepareEnd(ctx context.Context, _ *pgx.Conn, data pgx.TracePrepareEndData) {
	t.end(ctx, data.Err)
}

// TraceConnectStart starts the measurement of a new connection.
func (t *QueryTracer) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	t.locate(data.ConnConfig)
	return t.start(ctx, "CONNECT")
}

// TraceConnectEnd ends the measurement of a new connection.
func (t *QueryTracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	t.end(ctx, data.Err)
}

// TraceAcquireStart starts the wait for a connection of the pool.
func (t *QueryTracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	wait := adapter.FromContext(ctx).StartCall(t.pool)
	return context.WithValue(ctx, acquireKey{}, wait)
}

// TraceAcquireEnd ends the wait for a connection.
func (t *QueryTracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if wait, ok := ctx.Value(acquireKey{}).(adapter.Call); ok {
		wait.End()
	}
}

// errorType returns error.type: PostgreSQL's SQLSTATE, or that of any other error.
func errorType(err error) string {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows): // no row is an answer
		return ""
	case errors.As(err, &pg):
		return pg.Code
	}
	return adapter.ErrorType(err)
}
