package httpmw

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// Transport returns a RoundTripper that measures calls through base. A nil base
// means http.DefaultTransport. It panics for a nil option or a registry that
// refuses its metrics.
//
// A call ends when its response body has been read to the end or closed. It ends at
// the latest with its context or with the hop that made it.
func Transport(base http.RoundTripper, opts ...Option) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	c := configure(opts)
	d, err := c.core.RequestHistogram("http_client_request_duration_seconds",
		"Duration of HTTP client requests, to the end of the response's body.",
		"http_request_method", "dependency", "http_response_status_code", "error_type")
	if err != nil {
		panic("httpmw: " + err.Error())
	}
	return &transport{config: c, base: base, duration: d, series: newResolved[callLabels, *adapter.Series]()}
}

var (
	_ http.RoundTripper = (*transport)(nil)
	_ io.ReadCloser     = (*clientCall)(nil)
)

type transport struct {
	config
	base     http.RoundTripper
	duration *adapter.Histogram
	series   *resolved[callLabels, *adapter.Series]
}

type callLabels struct {
	method, dependency, errorType string
	status                        int
}

// clientCall is one call, from the request to the end of the response body.
type clientCall struct {
	io.ReadCloser // the response's body
	pending       adapter.Pending
	transport     *transport
	call          adapter.ClientCall
	ctx           callContext
	url           *url.URL
	cancel        <-chan struct{} // Request.Cancel
	method        string
	dep           string
	status        int
	once          sync.Once
	stop          func() bool
	armed         atomic.Bool // stop and pending are set
	answered      atomic.Bool // base has returned
}

// CloseIdleConnections closes the idle connections of base, for http.Client.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// callContext is the context of a call, allocated within the call.
type callContext struct {
	context.Context
	call *clientCall
}

type callKey struct{}

// Value returns the call for its key.
func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.call
	}
	return c.Context.Value(key)
}

// within reports whether a transport around this one measures the same call.
func (t *transport) within(r *http.Request) bool {
	outer, ok := r.Context().Value(callKey{}).(*clientCall)
	return ok && !outer.answered.Load() && outer.transport.core == t.core && r.URL != nil && outer.url != nil && outer.method == method(r.Method) &&
		(outer.url == r.URL || *outer.url == *r.URL)
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.within(r) {
		return t.base.RoundTrip(r)
	}
	m := method(r.Method)
	c := &clientCall{transport: t, method: m, dep: t.dependency, url: r.URL, cancel: r.Cancel} //nolint:staticcheck // http.Client sets it
	var host string
	var port int
	if r.URL != nil {
		host, port = splitHost(r.URL.Host)
	}
	peer := c.dep
	if peer == "" {
		peer = adapter.ServiceOfHost(host)
		c.dep = t.core.Host(peer) // names on spans are unbounded
	}
	attrs := adapter.BorrowAttributes()
	ctx, call := t.core.BeginCall(r.Context(), adapter.Outgoing{
		Dependency: adapter.Dependency{Name: c.dep, Kind: adapter.KindHTTP},
		SpanName:   spanMethod(m), SpanKind: trace.SpanKindClient, Attributes: c.startAttributes(attrs[:0], r, peer, host, port),
	})
	attrs.Return()
	c.call, c.ctx = call, callContext{ctx, c}
	// A RoundTripper must not modify the request: the header is a copy with shared
	// values.
	r2 := r.WithContext(&c.ctx)
	if r.Header != nil {
		r2.Header = make(http.Header, len(r.Header)+4)
		for k, v := range r.Header {
			r2.Header[k] = v
		}
	}
	if call.Span().SpanContext().IsValid() {
		delete(r2.Header, "Tracestate") // of the traceparent that a proxy has received
	}
	switch {
	case r.Header == nil: // an error of http.Transport
	case t.trusts != nil && !t.trusts(host):
		withhold(ctx, r2.Header)
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r2.Header))
	case t.propagator != nil:
		call.InjectWith(ctx, t.propagator, propagation.HeaderCarrier(r2.Header))
	default:
		call.InjectHeader(ctx, r2.Header)
	}
	resp, err := c.send(r2)
	c.answered.Store(true)
	if err != nil {
		err = c.timeoutOf(err)
		c.end(err)
		return resp, err
	}
	if resp.Request == r2 {
		resp.Request = r // as the caller made it
	}
	c.status = resp.StatusCode
	if resp.Body == nil || resp.Body == http.NoBody {
		c.end(nil)
		return resp, nil
	}
	if _, ok := resp.Body.(io.Writer); ok { // the body of a 101 is the connection
		c.end(nil)
		return resp, nil // as it is: a proxy closes its sides one by one
	}
	c.ReadCloser = resp.Body
	resp.Body = c
	// A body that is never closed does not keep the span open.
	c.call.Hop().Adopt(&c.pending, c.abandoned)
	if ctx.Done() != nil {
		c.stop = context.AfterFunc(ctx, c.cancelled)
	}
	c.armed.Store(true)
	return resp, nil
}

// errPanicked is the outcome of a call whose transport did not return.
var errPanicked = errors.New("panic in the transport")

// send sends the request. When the transport panics, the call ends, and the panic
// continues.
func (c *clientCall) send(r *http.Request) (resp *http.Response, err error) {
	returned := false
	defer func() {
		if !returned {
			c.end(errPanicked)
		}
	}()
	resp, err = c.transport.base.RoundTrip(r)
	returned = true
	return resp, err
}

func (c *clientCall) startAttributes(room []attribute.KeyValue, r *http.Request, peer, host string, port int) []attribute.KeyValue {
	a := append(room, adapter.AttrHTTPMethod.String(c.method), adapter.AttrServerAddress.String(clip(host)),
		attribute.String("peer.service", peer))
	if port > 0 {
		a = append(a, adapter.AttrServerPort.Int(port))
	}
	// The string is not needed under an unsampled parent.
	if parent := trace.SpanContextFromContext(r.Context()); r.URL != nil && (parent.IsSampled() || !parent.IsValid()) {
		a = append(a, adapter.AttrURLFull.String(fullURL(r.URL)))
	}
	return a
}

// fullURL returns url.full without credentials and query, which may hold secrets.
func fullURL(u *url.URL) string { return clip(u.Scheme + "://" + u.Host + u.EscapedPath()) }

func (c *clientCall) abandoned() { c.end(nil) }
func (c *clientCall) cancelled() { c.end(c.ctx.Err()) }

func (c *clientCall) end(err error) {
	c.once.Do(func() {
		l := callLabels{method: c.method, dependency: c.dep, status: c.status}
		out := adapter.Outcome{}
		attrs := adapter.BorrowAttributes()
		defer attrs.Return()
		out.Attrs = attrs[:0]
		if c.status > 0 {
			out.Attrs = append(out.Attrs, adapter.AttrHTTPStatus.Int(c.status))
			if c.status >= 400 {
				l.errorType = statusText(c.status)
			}
		}
		if err != nil {
			l.errorType = errorType(err)
		}
		out.ErrorType, out.Failed = l.errorType, l.errorType != ""
		t, sc := c.transport, c.call.Span().SpanContext()
		d := c.call.End(out)
		s, ok := t.series.get(l)
		if !ok {
			code := ""
			if l.status > 0 {
				code = statusText(l.status)
			}
			s = t.series.put(l, t.duration.With(l.method, l.dependency, code, l.errorType))
		}
		s.Observe(d, c.call.Start().Add(d), sc)
	})
}

// errorType returns error.type of an error.
func errorType(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &dns):
		return "dns"
	case errors.As(err, &op):
		return "network_" + op.Op
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "unexpected_eof"
	}
	return fmt.Sprintf("%T", err)
}

// timeoutOf returns the error of a call that http.Client ended at its Timeout. The client
// sets a deadline on the context. For a RoundTripper that it does not know, it closes
// Request.Cancel too, and either comes first.
func (c *clientCall) timeoutOf(err error) error {
	select {
	case <-c.cancel:
	default:
		return err
	}
	if end, ok := c.ctx.Deadline(); ok && !time.Now().Before(end) && strings.HasPrefix(err.Error(), "net/http: request canceled") {
		return context.DeadlineExceeded
	}
	return err
}

// Read reads the body and ends the call at its end.
func (c *clientCall) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		c.finish(nil)
	case err != nil:
		err = c.timeoutOf(err)
		c.finish(err)
	}
	return n, err
}

// Close closes the body and ends the call.
func (c *clientCall) Close() error {
	err := c.ReadCloser.Close()
	c.finish(nil)
	return err
}

func (c *clientCall) finish(err error) {
	if c.armed.CompareAndSwap(true, false) {
		if c.stop != nil {
			c.stop()
		}
		c.pending.Release()
	}
	c.end(err)
}
