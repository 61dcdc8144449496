package runtime

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/elasticmw"
	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/kafkamw"
	"github.com/tenhop/tenhop/middleware/redismw"
	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/middleware/sqlmw"
	"github.com/tenhop/tenhop/services/peers"
)

// Instruments says which library instruments a service's servers and clients. Only the
// middleware injects the faults of servers and stores.
type Instruments string

// The instruments of a service.
const (
	InstrumentsMiddleware Instruments = ""         // the middleware of this repository
	InstrumentsComposed   Instruments = "composed" // see package peers
	InstrumentsNone       Instruments = "none"
)

// instrumentsFromEnv reads TENHOP_INSTRUMENTS.
func instrumentsFromEnv() (Instruments, error) {
	switch i := Instruments(os.Getenv("TENHOP_INSTRUMENTS")); i {
	case InstrumentsMiddleware, InstrumentsComposed, InstrumentsNone:
		return i, nil
	default:
		return "", fmt.Errorf("TENHOP_INSTRUMENTS=%q: use composed or none, or leave it unset", string(i))
	}
}

// startInstruments starts the telemetry of other instruments than the middleware's. It
// returns options without which setup would start what they replace.
func (e *Env) startInstruments(ctx context.Context) ([]setup.Option, error) {
	switch e.Instruments {
	case InstrumentsMiddleware:
		return nil, nil
	case InstrumentsComposed:
		var err error
		if e.peers, err = peers.Start(ctx, e.Name, e.Instance, e.LogWriter); err != nil {
			return nil, err
		}
	}
	return []setup.Option{setup.WithoutTraces(), setup.WithoutProcessSignals()}, nil
}

// Handler instruments an HTTP server whose routes are those of mux.
func (e *Env) Handler(h http.Handler, mux *http.ServeMux, opts ...httpmw.Option) http.Handler {
	switch e.Instruments {
	case InstrumentsNone:
		return h
	case InstrumentsComposed:
		return e.peers.Handler(h, mux)
	}
	return httpmw.Handler(h, append([]httpmw.Option{httpmw.WithTelemetry(e.Telemetry), httpmw.WithMux(mux)}, opts...)...)
}

func (e *Env) transport(base http.RoundTripper, callee string, opts []httpmw.Option) http.RoundTripper {
	switch e.Instruments {
	case InstrumentsNone:
		return base
	case InstrumentsComposed:
		return e.peers.Transport(base, callee)
	}
	return httpmw.Transport(base, append([]httpmw.Option{httpmw.WithTelemetry(e.Telemetry), httpmw.WithDependency(callee)}, opts...)...)
}

func (e *Env) serverOptions() []grpc.ServerOption {
	switch e.Instruments {
	case InstrumentsNone:
		return nil
	case InstrumentsComposed:
		return e.peers.ServerOptions()
	}
	return grpcmw.ServerOptions(grpcmw.WithTelemetry(e.Telemetry), grpcmw.WithChaos(e.Chaos))
}

func (e *Env) dialOptions(callee string) []grpc.DialOption {
	switch e.Instruments {
	case InstrumentsNone:
		return nil
	case InstrumentsComposed:
		return e.peers.DialOptions()
	}
	return grpcmw.DialOptions(callee, grpcmw.WithTelemetry(e.Telemetry))
}

func (e *Env) kafkaOptions() []kgo.Opt {
	switch e.Instruments {
	case InstrumentsNone:
		return nil
	case InstrumentsComposed:
		return e.peers.ClientOptions()
	}
	return kafkamw.ClientOptions(kafkamw.WithTelemetry(e.Telemetry))
}

// record instruments the handler of a topic's records.
func (e *Env) record(handle kafkamw.RecordFunc) kafkamw.RecordFunc {
	switch e.Instruments {
	case InstrumentsNone:
		return handle
	case InstrumentsComposed:
		return e.peers.Record(handle)
	}
	return kafkamw.Handler(handle, kafkamw.WithTelemetry(e.Telemetry), kafkamw.WithChaos(e.Chaos), kafkamw.WithConsumerGroup(e.Name))
}

func (e *Env) openDB(driver, dsn, dependency, system string, at database.Location) (*sqlmw.DB, error) {
	var db *sql.DB
	var err error
	switch e.Instruments {
	case InstrumentsNone:
		db, err = sql.Open(driver, dsn)
	case InstrumentsComposed:
		db, err = e.peers.OpenDB(driver, dsn, system)
	default:
		return sqlmw.Open(driver, dsn, dependency, sqlmw.WithTelemetry(e.Telemetry), sqlmw.WithSystem(system),
			sqlmw.WithLocation(at), sqlmw.WithChaos(e.Chaos))
	}
	return &sqlmw.DB{DB: db}, err
}

func (e *Env) searchTransport(base http.RoundTripper, dependency string) http.RoundTripper {
	switch e.Instruments {
	case InstrumentsNone:
		return base
	case InstrumentsComposed:
		return e.peers.Transport(base, dependency)
	}
	return elasticmw.Transport(base, dependency, elasticmw.WithTelemetry(e.Telemetry))
}

// InstrumentRedis instruments a Redis client, which has a logical name.
func (e *Env) InstrumentRedis(c *redis.Client, name string) error {
	switch e.Instruments {
	case InstrumentsNone:
		return nil
	case InstrumentsComposed:
		return e.peers.InstrumentRedis(c)
	}
	return redismw.Instrument(c, name, redismw.WithTelemetry(e.Telemetry))
}
