package hop

import (
	"context"
	"log/slog"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/internal/wire"
)

// Header names of the correlation ID. The second is read when the first is absent.
const (
	CorrelationHeader = "X-Correlation-ID"
	RequestIDHeader   = "X-Request-ID"
)

// CorrelationKey is the span attribute and the log field of the correlation ID.
const CorrelationKey = adapter.CorrelationKey

// Kinds of dependency, the values of the label dependency_kind.
const (
	KindHTTP     = adapter.KindHTTP
	KindGRPC     = adapter.KindGRPC
	KindDatabase = adapter.KindDatabase
	KindCache    = adapter.KindCache
	KindPool     = adapter.KindPool
	KindProduce  = adapter.KindProduce
)

// Signals of a request, for the exclusion options of the adapters.
const (
	Traces     = adapter.Traces
	Metrics    = adapter.Metrics
	Logs       = adapter.Logs
	AllSignals = adapter.AllSignals
)

// Signals is a set of the signals of one request.
type Signals = adapter.Signals

// Dependency identifies what a request waits for: its logical Name, such as
// "payment" (never host:port), and its Kind, one of the Kind constants.
type Dependency = adapter.Dependency

// Call is a wait that StartCall began. Its method End ends it; only the first End
// counts.
type Call = adapter.Call

// StartCall marks the start of a wait for dep by the request in ctx. The wait is
// no part of the request's self time. Outside a request it does nothing. It does
// not allocate.
func StartCall(ctx context.Context, dep Dependency) Call {
	return adapter.FromContext(ctx).StartCall(dep)
}

// SetAttributes sets attributes on the span of the request in ctx. Attributes that
// tell kinds of requests apart, such as customer.tier, are what diagnose compares.
func SetAttributes(ctx context.Context, attrs ...attribute.KeyValue) {
	adapter.FromContext(ctx).SetAttributes(attrs...)
}

// Logger returns a logger whose lines have trace_id, span_id and correlation_id of
// the request in ctx. Outside a request it returns the logger of Default.
func Logger(ctx context.Context) *slog.Logger {
	if h := adapter.FromContext(ctx); h != nil {
		return h.Logger()
	}
	return Default().Logger()
}

// Zerolog is Logger with zerolog's interface. After WithLogger its lines go to
// standard error as JSON.
func Zerolog(ctx context.Context) *zerolog.Logger {
	if h := adapter.FromContext(ctx); h != nil {
		return h.Zerolog()
	}
	return Default().Zerolog()
}

// CorrelationID returns the correlation ID of the request in ctx, or "".
func CorrelationID(ctx context.Context) string { return adapter.CorrelationID(ctx) }

// EntryOf returns the entry of the request in ctx: the edge operation that it
// belongs to. It returns "" outside a request.
func EntryOf(ctx context.Context) string { return adapter.EntryOf(ctx) }

// Operation returns the operation of the request in ctx, such as
// "GET /items/{id}", or "".
func Operation(ctx context.Context) string { return adapter.FromContext(ctx).Operation() }

// Snapshot returns the headers of a message that is sent later but belongs to the
// request in ctx, such as a row of an outbox.
func Snapshot(ctx context.Context) map[string]string { return adapter.Snapshot(ctx) }

// Restore returns a context whose calls belong to the request that Snapshot was
// taken of. Malformed headers are ignored.
func Restore(ctx context.Context, snapshot map[string]string) context.Context {
	return adapter.Restore(ctx, snapshot)
}

// ValidCorrelationID reports whether an adapter accepts id from a caller: it must
// consist of 1 to 128 visible ASCII characters.
func ValidCorrelationID(id string) bool { return wire.ValidCorrelationID(id) }

// NewCorrelationID returns a UUIDv7 (RFC 9562, section 5.7). IDs sort by time.
func NewCorrelationID(now time.Time) string { return wire.NewCorrelationID(now) }
