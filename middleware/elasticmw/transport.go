package elasticmw

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
)

// System is db.system.name of all requests. OpenSearch speaks the same API.
const System = "elasticsearch"

type config struct{ core *adapter.Core }

// Option configures Transport.
type Option func(*config)

// WithTelemetry sets the telemetry. The default is hop.Default. It panics when t is
// nil.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("elasticmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// Transport returns a RoundTripper that measures requests through base. A nil base
// means http.DefaultTransport. dependency is the engine's logical name in metrics, such
// as "product-search". Transport panics for an empty name, a nil option or a registry
// that refuses its metrics.
func Transport(base http.RoundTripper, dependency string, opts ...Option) http.RoundTripper {
	if dependency == "" {
		panic(`elasticmw: the dependency needs a name, such as "product-search"`)
	}
	if base == nil {
		base = http.DefaultTransport
	}
	var c config
	for _, o := range opts {
		if o == nil {
			panic("elasticmw: nil option")
		}
		o(&c)
	}
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	client, err := database.NewClient(c.core, System, adapter.Dependency{Name: dependency, Kind: adapter.KindDatabase})
	if err != nil {
		panic("elasticmw: " + err.Error())
	}
	return &transport{base: base, client: client}
}

type transport struct {
	base   http.RoundTripper
	client *database.Client
}

var (
	_ http.RoundTripper = (*transport)(nil)
	_ io.ReadCloser     = (*request)(nil)
)

// CloseIdleConnections closes the idle connections of base, for http.Client.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	operation, index := endpoint(r.Method, r.URL)
	ctx, statement := t.client.Begin(r.Context(), operation, attributes(r, index)...)
	q := &request{statement: statement, operation: operation}
	returned := false
	defer func() {
		if !returned {
			q.end(adapter.ErrorPanic)
		}
	}()
	resp, err := t.base.RoundTrip(withHeaders(ctx, r))
	returned = true
	if err != nil {
		q.end(adapter.ErrorType(err))
		return resp, err
	}
	q.status = resp.StatusCode
	if resp.Body == nil || resp.Body == http.NoBody {
		q.end("")
		return resp, nil
	}
	q.ReadCloser, resp.Body = resp.Body, q
	// A body that is never closed does not keep the span open.
	adapter.FromContext(r.Context()).Adopt(&q.pending, q.abandoned)
	return resp, nil
}

func attributes(r *http.Request, index string) []attribute.KeyValue {
	attrs := []attribute.KeyValue{adapter.AttrHTTPMethod.String(r.Method)}
	if index != "" {
		attrs = append(attrs, adapter.AttrDBCollection.String(index))
	}
	if r.URL == nil {
		return attrs
	}
	attrs = append(attrs, adapter.AttrServerAddress.String(r.URL.Hostname()))
	if port, err := strconv.Atoi(r.URL.Port()); err == nil {
		attrs = append(attrs, adapter.AttrServerPort.Int(port))
	}
	return attrs
}

// opaqueID is the header that an engine repeats in its slow logs and tasks.
const opaqueID = "X-Opaque-Id"

// withHeaders returns a copy of r with the trace context and the correlation ID of ctx.
func withHeaders(ctx context.Context, r *http.Request) *http.Request {
	r = r.Clone(ctx)
	if r.Header == nil {
		return r // an error of http.Transport
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	if id := hop.CorrelationID(ctx); id != "" && r.Header.Get(opaqueID) == "" {
		r.Header.Set(opaqueID, id)
	}
	return r
}

// request is a request, from its start to the end of the response's body.
type request struct {
	io.ReadCloser // the response's body
	pending       adapter.Pending
	statement     database.Statement
	operation     string
	status        int
	once          sync.Once
}

// Read reads the body and ends the request at its end.
func (q *request) Read(p []byte) (int, error) {
	n, err := q.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		q.finish("")
	case err != nil:
		q.finish(adapter.ErrorType(err))
	}
	return n, err
}

// Close closes the body and ends the request.
func (q *request) Close() error {
	err := q.ReadCloser.Close()
	q.finish("")
	return err
}

func (q *request) finish(errorType string) {
	q.pending.Release()
	q.end(errorType)
}

func (q *request) abandoned() { q.end("") }

func (q *request) end(errorType string) {
	q.once.Do(func() {
		if q.status > 0 {
			q.statement.Span().SetAttributes(adapter.AttrDBStatus.String(strconv.Itoa(q.status)))
		}
		if errorType == "" && q.status >= 400 && (q.status != http.StatusNotFound || !asks(q.operation)) {
			errorType = strconv.Itoa(q.status)
		}
		q.statement.End(errorType)
	})
}

// asks reports whether an operation asks for something that may be missing.
func asks(operation string) bool {
	switch operation {
	case "get", "exists", "get_source", "indices.get", "indices.exists":
		return true
	}
	return false
}
