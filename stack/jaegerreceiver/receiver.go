// Package jaegerreceiver receives spans from Jaeger's clients: Thrift over HTTP
// (the collector's /api/traces, port 14268) and Thrift compact over UDP (the
// agent's port 6831). It converts them to OTLP with the translator of the
// OpenTelemetry Collector.
package jaegerreceiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/semaphore"

	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/internal/hostcheck"
	"github.com/tenhop/tenhop/stack/budget"
	"github.com/tenhop/tenhop/stack/otelcol"
)

// DefaultMaxBodyBytes is the default maximum size of an HTTP request.
const DefaultMaxBodyBytes = 20 << 20

// DefaultDecodingBytes is the default maximum size in memory of all HTTP requests that are
// decoded at a time, by the estimate of decodedFactor.
const DefaultDecodingBytes = 512 << 20

// decodedFactor is the size in memory of a body and what it holds, to that of the body. The
// worst one known, tags of 15 bytes, takes 10 times its size (TestMemoryOfABatch).
const decodedFactor = 20

// maxPacketBytes is the maximum size of a UDP datagram. Jaeger's clients send up
// to 65000 bytes.
const maxPacketBytes = 65535

// Receiver is a server for Jaeger's clients. Create it with New, then call
// ServeHTTP and ServeUDP in separate goroutines.
type Receiver struct {
	consume  func(context.Context, ptrace.Traces) error
	maxBytes int64
	decoding int64
	free     *semaphore.Weighted // of decoding, in bytes
	viaHTTP  *otelcol.Receiver
	viaUDP   *otelcol.Receiver
	http     *http.Server
	log      *slog.Logger
	done     chan struct{}
	hosts    []string
}

// Option configures a Receiver.
type Option func(*Receiver)

// WithMaxBodyBytes sets the maximum size of an HTTP request.
func WithMaxBodyBytes(n int64) Option { return func(r *Receiver) { r.maxBytes = n } }

// WithDecodingBytes sets the maximum size in memory, estimated, of the HTTP requests that are
// decoded at a time. Those beyond it may be sent again.
func WithDecodingBytes(n int64) Option { return func(r *Receiver) { r.decoding = n } }

// WithLogger sets the logger for lost spans. The default is slog.Default.
func WithLogger(l *slog.Logger) Option { return func(r *Receiver) { r.log = l } }

// WithHosts adds host names that ServeHTTP accepts on a loopback address, in addition
// to localhost and IP addresses.
func WithHosts(names ...string) Option { return func(r *Receiver) { r.hosts = names } }

// New returns a receiver that passes decoded spans to consume, which owns them,
// and counts them in m.
func New(consume func(context.Context, ptrace.Traces) error, m *otelcol.Metrics, opts ...Option) *Receiver {
	r := &Receiver{
		consume:  consume,
		maxBytes: DefaultMaxBodyBytes,
		decoding: DefaultDecodingBytes,
		viaHTTP:  m.Receiver("jaeger", "thrift_http"),
		viaUDP:   m.Receiver("jaeger", "thrift_compact"),
		log:      slog.Default(),
		done:     make(chan struct{}),
	}
	for _, o := range opts {
		o(r)
	}
	r.free = semaphore.NewWeighted(r.decoding)
	r.http = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	return r
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

// Close stops the HTTP server; requests in flight may finish until ctx ends.
// ServeUDP returns nil when its connection is closed after that.
func (r *Receiver) Close(ctx context.Context) error {
	close(r.done)
	if err := r.http.Shutdown(ctx); err != nil {
		return errors.Join(err, r.http.Close())
	}
	return nil
}

// Handler returns the handler of POST /api/traces, to be served by another server
// than the receiver's. It does not check the Host header.
func (r *Receiver) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/traces", r.traces)
	return mux
}

func (r *Receiver) traces(w http.ResponseWriter, req *http.Request) {
	contentType, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil {
		r.viaHTTP.Bad("content_type")
		http.Error(w, fmt.Sprintf("Cannot parse content type: %v", err), http.StatusBadRequest)
		return
	}
	switch contentType {
	case "application/x-thrift", "application/vnd.apache.thrift.binary":
	default:
		r.viaHTTP.Bad("content_type")
		http.Error(w, fmt.Sprintf("Unsupported content type: %v", contentType), http.StatusBadRequest)
		return
	}
	in := &budget.Reader{In: http.MaxBytesReader(w, req.Body, r.maxBytes), Free: r.free, Factor: decodedFactor}
	defer in.Release()
	body, err := io.ReadAll(in)
	if errors.Is(err, budget.ErrBusy) {
		r.viaHTTP.Bad("busy")
		w.Header().Set("Retry-After", "1")
		http.Error(w, fmt.Sprintf("Cannot submit Jaeger batch: %v", err), http.StatusServiceUnavailable)
		return
	}
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			r.viaHTTP.Bad("oversized")
			http.Error(w, fmt.Sprintf("Body is over %d bytes", r.maxBytes), http.StatusRequestEntityTooLarge)
			return
		}
		r.viaHTTP.Bad("malformed")
		http.Error(w, fmt.Sprintf("Unable to process request body: %v", err), http.StatusBadRequest)
		return
	}
	td, err := DecodeBinary(req.Context(), body)
	if err != nil {
		r.viaHTTP.Bad("malformed")
		http.Error(w, fmt.Sprintf("Unable to process request body: %v", err), http.StatusBadRequest)
		return
	}
	n := td.SpanCount()
	err = r.consume(req.Context(), td)
	r.viaHTTP.Spans(n, err)
	if err != nil {
		http.Error(w, fmt.Sprintf("Cannot submit Jaeger batch: %v", err), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// ServeUDP reads batches from conn until conn is closed. It returns nil if Close
// was called before.
func (r *Receiver) ServeUDP(conn net.PacketConn) error {
	buf := make([]byte, maxPacketBytes)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			select {
			case <-r.done:
				return nil
			default:
				return fmt.Errorf("read jaeger spans: %w", err)
			}
		}
		td, err := DecodeCompactCall(context.Background(), buf[:n])
		if err != nil {
			r.viaUDP.Bad("malformed")
			continue
		}
		spans := td.SpanCount()
		err = r.consume(context.Background(), td)
		r.viaUDP.Spans(spans, err)
		if err != nil {
			r.log.Warn("spans lost, datagrams are not sent again", "spans", spans, "error", err)
		}
	}
}
