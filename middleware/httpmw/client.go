package httpmw

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

// Transport measures calls through base; http.DefaultTransport when base is nil.
//
// A call lasts until its response's body is read to the end or closed, at the
// latest until the hop that made it ends.
func Transport(base http.RoundTripper, opts ...Option) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	c := configure(opts)
	d, err := c.telemetry.RequestHistogram("http_client_request_duration_seconds",
		"Duration of HTTP client requests, to the end of the response's body.",
		"http_request_method", "dependency", "http_response_status_code", "error_type")
	if err != nil {
		panic("httpmw: " + err.Error())
	}
	return &transport{config: c, base: base, duration: d}
}

type transport struct {
	config
	base     http.RoundTripper
	duration *hop.Histogram
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	m := method(r.Method)
	dep := t.dependency
	if dep == "" {
		dep = r.URL.Hostname()
	}
	attrs := make([]attribute.KeyValue, 0, 6)
	attrs = append(attrs, attribute.String("http.request.method", m),
		attribute.String("server.address", r.URL.Hostname()), attribute.String("peer.service", dep))
	if p, err := strconv.Atoi(r.URL.Port()); err == nil {
		attrs = append(attrs, attribute.Int("server.port", p))
	}
	ctx, call := t.telemetry.BeginCall(r.Context(), hop.Outgoing{
		Dependency: hop.Dependency{Name: dep, Kind: hop.KindHTTP},
		SpanName:   m, SpanKind: trace.SpanKindClient, Attributes: attrs,
	})
	// A RoundTripper may not change the caller's request.
	r2 := r.WithContext(ctx)
	r2.Header = r.Header.Clone()
	if r2.Header == nil {
		r2.Header = http.Header{}
	}
	if t.propagator != nil {
		call.InjectWith(ctx, t.propagator, propagation.HeaderCarrier(r2.Header))
	} else {
		call.Inject(ctx, propagation.HeaderCarrier(r2.Header))
	}
	f := &inFlight{transport: t, call: call, method: m, dep: dep, sc: call.Span().SpanContext()}
	resp, err := t.base.RoundTrip(r2)
	if err != nil {
		f.end(0, err)
		return resp, err
	}
	f.status = resp.StatusCode
	if resp.Body == nil || resp.Body == http.NoBody {
		f.end(resp.StatusCode, nil)
		return resp, nil
	}
	body := &clientBody{ReadCloser: resp.Body, inFlight: f}
	if w, ok := resp.Body.(io.Writer); ok { // a 101's body is the connection
		f.end(resp.StatusCode, nil)
		resp.Body = struct {
			io.Writer
			io.ReadCloser
		}{w, resp.Body}
		return resp, nil
	}
	// A body that is never closed must not keep the span open.
	f.stop = context.AfterFunc(ctx, func() { f.end(f.status, context.Cause(ctx)) })
	resp.Body = body
	return resp, nil
}

// inFlight is one call from the request to the end of the body.
type inFlight struct {
	*transport
	call   hop.ClientCall
	method string
	dep    string
	status int
	sc     trace.SpanContext
	once   sync.Once
	stop   func() bool
}

func (f *inFlight) end(status int, err error) {
	f.once.Do(func() {
		out := hop.Outcome{}
		code := ""
		if status > 0 {
			code = strconv.Itoa(status)
			out.Attrs = []attribute.KeyValue{attribute.Int("http.response.status_code", status)}
			if status >= 400 {
				out.ErrorType, out.Failed = code, true
			}
		}
		if err != nil {
			out.ErrorType, out.Failed = errorType(err), true
		}
		d := f.call.End(out)
		f.duration.Observe(d, f.telemetry.Now(), f.sc, f.method, f.dep, code, out.ErrorType)
	})
}

// errorType maps an error to a value of low cardinality for error.type.
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

type clientBody struct {
	io.ReadCloser
	*inFlight
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		b.finish(nil)
	case err != nil:
		b.finish(err)
	}
	return n, err
}

func (b *clientBody) Close() error {
	err := b.ReadCloser.Close()
	b.finish(nil)
	return err
}

func (b *clientBody) finish(err error) {
	if b.stop != nil {
		b.stop()
	}
	b.end(b.status, err)
}
