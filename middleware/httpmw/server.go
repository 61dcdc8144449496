package httpmw

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

// StatusClientClosedRequest is recorded for a request whose client went away
// before an answer was written (nginx's 499). It is never sent.
const StatusClientClosedRequest = 499

// unmatched is the route of requests that no pattern matched.
const unmatched = "unmatched"

// Handler measures next. A nil next panics here, not at a request.
func Handler(next http.Handler, opts ...Option) http.Handler {
	if next == nil {
		panic("httpmw: Handler: nil handler")
	}
	c := configure(opts)
	if c.route == nil {
		if mux, ok := next.(*http.ServeMux); ok {
			WithMux(mux)(&c)
		}
	}
	h, err := newServer(next, c)
	if err != nil {
		panic("httpmw: " + err.Error())
	}
	return h
}

// Middleware is Handler in the form that routers take.
func Middleware(opts ...Option) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return Handler(next, opts...) }
}

// SetRoute tells the route pattern of the request that ctx belongs to, for
// routers whose pattern cannot be seen from outside (gin, echo).
func SetRoute(ctx context.Context, pattern string) {
	if st, ok := ctx.Value(stateKey{}).(*state); ok && pattern != "" {
		st.setRoute(pattern)
	}
}

type server struct {
	config
	next     http.Handler
	duration *hop.Histogram
	active   *prometheus.GaugeVec
}

func newServer(next http.Handler, c config) (*server, error) {
	d, err := c.telemetry.RequestHistogram("http_server_request_duration_seconds",
		"Duration of HTTP server requests.",
		"http_request_method", "http_route", "http_response_status_code", "error_type", "url_scheme")
	if err != nil {
		return nil, err
	}
	active, err := hop.RegisterGauge(c.telemetry, "http_server_active_requests", "HTTP server requests in flight.", "http_request_method")
	if err != nil {
		return nil, err
	}
	return &server{config: c, next: next, duration: d, active: active}, nil
}

type stateKey struct{}

// state is the mutable part of a request, found through its context however
// often the request is copied.
type state struct {
	hop    *hop.Hop
	method string
	route  string
}

func (s *state) setRoute(pattern string) {
	s.route = routeOf(pattern)
	s.hop.SetOperation(s.method + " " + s.route)
}

// routeOf strips method and host from a ServeMux pattern: http.route is a path.
func routeOf(pattern string) string {
	if i := strings.IndexByte(pattern, '/'); i > 0 {
		return pattern[i:]
	}
	return pattern
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.exclude[r.URL.Path] {
		s.next.ServeHTTP(w, r)
		return
	}
	m := method(r.Method)
	st := &state{method: m}
	var req *http.Request
	find := func() string {
		pattern := ""
		if req != nil {
			pattern = req.Pattern
		}
		if pattern == "" && s.route != nil {
			pattern = s.route(req)
		}
		if pattern == "" {
			pattern = unmatched
		}
		st.route = routeOf(pattern)
		return m + " " + st.route
	}
	attrs := make([]attribute.KeyValue, 0, 8)
	attrs = append(attrs, attribute.String("http.request.method", m), attribute.String("url.path", clip(r.URL.Path)),
		attribute.String("url.scheme", scheme(r)), attribute.String("network.protocol.version", version(r)))
	if ua := r.UserAgent(); ua != "" {
		attrs = append(attrs, attribute.String("user_agent.original", clip(ua)))
	}
	ctx, h := s.telemetry.Begin(r.Context(), hop.Incoming{
		Protocol: "http", SpanName: m, SpanKind: trace.SpanKindServer, Public: s.public,
		Carrier: propagation.HeaderCarrier(r.Header), Attributes: attrs, Route: find,
	})
	st.hop = h
	ctx = context.WithValue(ctx, stateKey{}, st)
	w.Header().Set(hop.CorrelationHeader, h.CorrelationID())
	active := s.active.WithLabelValues(m)
	active.Inc()
	rec := &recorder{ResponseWriter: w, hop: h}
	req = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		req.Body = &callerBody{ReadCloser: r.Body, hop: h}
	}
	defer func() {
		active.Dec()
		p := recover()
		s.finish(st, rec, req, p)
		if p != nil {
			panic(p) // the server decides what a panic does
		}
	}()
	s.next.ServeHTTP(rec.wrap(), req)
}

func (s *server) finish(st *state, rec *recorder, r *http.Request, panicked any) {
	h := st.hop
	op := h.Operation()
	if st.route == "" {
		st.route = unmatched
	}
	code, out := rec.code(), hop.Outcome{Level: zerolog.InfoLevel, Message: "request"}
	switch err, _ := panicked.(error); {
	case errors.Is(err, http.ErrAbortHandler):
		out.ErrorType = "aborted"
	case panicked != nil:
		if !rec.wrote {
			code = http.StatusInternalServerError
		}
		out.ErrorType, out.Failed, out.Err = "panic", true, fmt.Errorf("panic: %v", panicked)
	case rec.hijacked:
		out.Unmetered = true
	case r.Context().Err() != nil && errors.Is(r.Context().Err(), context.Canceled) && !rec.wrote:
		code, out.ErrorType = StatusClientClosedRequest, "client_closed_request"
	case code >= 500:
		out.ErrorType, out.Failed = strconv.Itoa(code), true
	}
	if out.Failed {
		out.Level = zerolog.ErrorLevel
	}
	out.Attrs = []attribute.KeyValue{attribute.String("http.route", st.route), attribute.Int("http.response.status_code", code)}
	out.Status = func(e *zerolog.Event) { e.Int("status", code).Int64("bytes", rec.bytes) }
	span := h.Span()
	if span.IsRecording() {
		span.SetName(op)
	}
	now := s.telemetry.Now()
	sc := span.SpanContext()
	t := h.End(out)
	if !rec.hijacked {
		s.duration.Observe(t.Duration, now, sc, st.method, st.route, strconv.Itoa(code), out.ErrorType, scheme(r))
	}
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func version(r *http.Request) string {
	switch {
	case r.ProtoMajor == 1 && r.ProtoMinor == 1:
		return "1.1"
	case r.ProtoMajor == 2:
		return "2"
	default:
		return fmt.Sprintf("%d.%d", r.ProtoMajor, r.ProtoMinor)
	}
}

// clip bounds what a caller can put into an attribute.
func clip(s string) string {
	if len(s) > 256 {
		s = s[:256]
	}
	return strings.ToValidUTF8(s, "?")
}

// callerBody counts the time blocked reading the request as the caller's.
type callerBody struct {
	io.ReadCloser
	hop *hop.Hop
}

func (b *callerBody) Read(p []byte) (int, error) {
	c := b.hop.StartCall(caller)
	defer c.End()
	return b.ReadCloser.Read(p)
}

var caller = hop.Dependency{Name: "caller", Kind: hop.KindCaller}

