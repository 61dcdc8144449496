// Package otlpreceiver receives traces, metrics and logs over OTLP: gRPC, and HTTP with
// protobuf or JSON bodies, each plain or gzip.
//
// Responses are those of the OpenTelemetry Collector's otlp receiver. A request that
// cannot be decoded fails permanently: HTTP 400, 413 or 415, gRPC InvalidArgument or
// Internal. A request that the consumer cannot store now, or for whose decoding no memory
// is free, may be sent again: HTTP 503, gRPC Unavailable. If the consumer rejects a part of a request, the request succeeds
// with partial_success set.
package otlpreceiver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/internal/hostcheck"
	"github.com/tenhop/tenhop/stack/otelcol"
	"github.com/tenhop/tenhop/trace/otlp"
)

// Defaults of the options.
const (
	// DefaultMaxBodyBytes is the maximum size of a request, before and after
	// decompression. It is the collector's default for HTTP.
	DefaultMaxBodyBytes = 20 << 20
	// DefaultDecodingBytes is the maximum size in memory of all requests that are decoded
	// at a time.
	DefaultDecodingBytes = 4 * otlp.MaxDecodedBytes
	// DefaultRequestTimeout is the maximum duration of a request.
	DefaultRequestTimeout = time.Minute
)

// Consumer stores received data. The functions own their argument. An error
// makes the client try again, except for an *otelcol.RejectedError, which is
// answered as a partial success. The receiver does not serve a signal whose
// function is nil.
type Consumer struct {
	Traces  func(context.Context, ptrace.Traces) error
	Metrics func(context.Context, pmetric.Metrics) error
	Logs    func(context.Context, plog.Logs) error
}

// Receiver is an OTLP server. Create it with New, then call ServeGRPC and
// ServeHTTP in separate goroutines.
type Receiver struct {
	consumer Consumer
	maxBytes int
	viaGRPC  *otelcol.Receiver
	viaHTTP  *otelcol.Receiver
	grpc     *grpc.Server
	http     *http.Server

	requestTimeout time.Duration
	hosts          []string

	decodingBytes int64
	decoding      decoding
}

// Option configures a Receiver.
type Option func(*Receiver)

// WithMaxBodyBytes sets the maximum size of a request, before and after
// decompression.
func WithMaxBodyBytes(n int) Option { return func(r *Receiver) { r.maxBytes = n } }

// WithDecodingBytes sets the maximum size in memory, estimated, of the requests that are
// decoded or passed to the consumer at a time. Those beyond it may be sent again.
func WithDecodingBytes(n int64) Option { return func(r *Receiver) { r.decodingBytes = n } }

// WithRequestTimeout sets the maximum duration of a request, from its headers
// on. A request whose body takes longer to arrive is cut off.
func WithRequestTimeout(d time.Duration) Option { return func(r *Receiver) { r.requestTimeout = d } }

// WithHosts adds host names that ServeHTTP accepts on a loopback address, in addition
// to localhost and IP addresses.
func WithHosts(names ...string) Option { return func(r *Receiver) { r.hosts = names } }

// New returns a receiver that passes decoded data to c and counts it in m.
func New(c Consumer, m *otelcol.Metrics, opts ...Option) *Receiver {
	r := &Receiver{
		consumer: c,
		maxBytes: DefaultMaxBodyBytes,
		viaGRPC:  m.Receiver("otlp", "grpc"),
		viaHTTP:  m.Receiver("otlp", "http"),

		requestTimeout: DefaultRequestTimeout,
		decodingBytes:  DefaultDecodingBytes,
	}
	for _, o := range opts {
		o(r)
	}
	r.decoding.free = semaphore.NewWeighted(r.decodingBytes)
	r.grpc = r.grpcServer()
	r.http = &http.Server{
		ReadHeaderTimeout: min(10*time.Second, r.requestTimeout),
		ReadTimeout:       r.requestTimeout,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	return r
}

// ServeGRPC serves until Close and then returns nil.
func (r *Receiver) ServeGRPC(l net.Listener) error {
	if err := r.grpc.Serve(connlimit.HTTP2(l, connlimit.Default, receivingBytes)); !errors.Is(err, grpc.ErrServerStopped) { // Close was called before
		return err
	}
	return nil
}

// ServeHTTP serves until Close and then returns nil. On a loopback address it
// refuses requests to host names that are neither loopback names nor those of
// WithHosts.
func (r *Receiver) ServeHTTP(l net.Listener) error {
	r.http.Handler = hostcheck.Handler(l.Addr(), r.hosts, r.Handler())
	if err := r.http.Serve(connlimit.Listener(l, connlimit.Default)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close stops both servers. Requests in flight may finish until ctx ends.
func (r *Receiver) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.grpc.GracefulStop()
	}()
	err := r.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, r.http.Close())
	}
	select {
	case <-done:
	case <-ctx.Done():
		r.grpc.Stop()
		<-done
	}
	return err
}
