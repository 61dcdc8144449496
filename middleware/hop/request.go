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

// Header names of the correlation ID. RequestIDHeader is read when
// CorrelationHeader is absent.
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

// Dependency identifies a service or resource that a request waits for. Name is its
// logical name, such as "payment", and never host:port. Kind is one of the Kind
// constants.
type Dependency = adapter.Dependency

// Call is a wait started by StartCall. End ends it. Only the first End has an
// effect.
type Call = adapter.Call

// StartCall marks the start of a wait for dep by the request in ctx. The wait is
// excluded from the request's self time. Outside a request StartCall does nothing.
// It does not allocate.
func StartCall(ctx context.Context, dep Dependency) Call {
	return adapter.FromContext(ctx).StartCall(dep)
}

// SetAttributes sets attributes on the span of the request in ctx. tenhop diagnose
// compares requests by attributes that distinguish them, such as customer.tier.
func SetAttributes(ctx context.Context, attrs ...attribute.KeyValue) {
	adapter.FromContext(ctx).SetAttributes(attrs...)
}

// Logger returns a logger that adds trace_id, span_id and correlation_id of the
// request in ctx. Outside a request it returns the logger of Default.
func Logger(ctx context.Context) *slog.Logger {
	if h := adapter.FromContext(ctx); h != nil {
		return h.Logger()
	}
	return Default().Logger()
}

// Zerolog is like Logger but returns a zerolog.Logger. After WithLogger it writes
// JSON to standard error.
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

// Snapshot returns the headers for a message that belongs to the request in ctx and
// is sent later, such as an outbox row.
func Snapshot(ctx context.Context) map[string]string { return adapter.Snapshot(ctx) }

// Restore returns a context derived from ctx that belongs to the request recorded
// in snapshot. Malformed headers are ignored.
func Restore(ctx context.Context, snapshot map[string]string) context.Context {
	return adapter.Restore(ctx, snapshot)
}

// ValidCorrelationID reports whether an adapter accepts id from a caller: it must
// consist of 1 to 128 visible ASCII characters.
func ValidCorrelationID(id string) bool { return wire.ValidCorrelationID(id) }

// NewCorrelationID returns a UUIDv7 (RFC 9562, section 5.7). IDs sort by time.
func NewCorrelationID(now time.Time) string { return wire.NewCorrelationID(now) }
