// Package grpcmw measures gRPC servers and clients: correlation ID, span, RED
// metrics, one log line and self time for every call.
//
//	srv := grpc.NewServer(grpcmw.ServerOptions()...)
//	conn, err := grpc.NewClient(target, append(grpcmw.DialOptions("payment"), creds)...)
package grpcmw

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct {
	telemetry *hop.Telemetry
	chaos     *chaos.Injector
	public    bool
	exclude   func(fullMethod string) bool
}

// Option sets one thing of the server's or the client's side.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("grpcmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.telemetry = t }
}

// WithChaos lets faults be injected into the server's handlers.
func WithChaos(i *chaos.Injector) Option { return func(c *config) { c.chaos = i } }

// WithPublicEdge distrusts callers: see httpmw.WithPublicEdge.
func WithPublicEdge() Option { return func(c *config) { c.public = true } }

// WithExclude leaves methods unmeasured for which f is true. Without it the
// health and reflection services are.
func WithExclude(f func(fullMethod string) bool) Option {
	if f == nil {
		panic("grpcmw: WithExclude: nil function")
	}
	return func(c *config) { c.exclude = f }
}

func configure(opts []Option) config {
	c := config{exclude: func(m string) bool {
		return strings.HasPrefix(m, "/grpc.health.v1.") || strings.HasPrefix(m, "/grpc.reflection.")
	}}
	for _, o := range opts {
		if o == nil {
			panic("grpcmw: nil option")
		}
		o(&c)
	}
	if c.telemetry == nil {
		c.telemetry = hop.Default()
	}
	return c
}

// carrier reads and writes metadata; its keys are lower-case.
type carrier metadata.MD

func (c carrier) Get(key string) string {
	if v := c[strings.ToLower(key)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (c carrier) Set(key, value string) { c[strings.ToLower(key)] = []string{value} }

func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}

func methodName(full string) string { return strings.TrimPrefix(full, "/") }

func rpcAttributes(method string) []attribute.KeyValue {
	a := make([]attribute.KeyValue, 0, 6)
	return append(a, attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", method))
}

// statusNames are the names of gRPC's codes as the semantic conventions write them.
var statusNames = [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

func statusName(c codes.Code) string {
	if int(c) < len(statusNames) {
		return statusNames[c]
	}
	return hop.Overflow
}

// codeOf is the code that err becomes on the wire; status.FromContextError's
// mapping applies to errors of the context.
func codeOf(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return status.FromContextError(err).Code()
	}
	return codes.Unknown
}

// serverFault tells whether a code counts as the server's error on a server
// span (semantic conventions for gRPC, "status").
func serverFault(c codes.Code) bool {
	switch c {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	default:
		return false
	}
}
