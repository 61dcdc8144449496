package httpmw

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// StatusClientClosedRequest is the recorded status of a request whose client
// disconnected before a response was written (nginx's 499). It is never sent.
const StatusClientClosedRequest = 499

// Handler returns a handler that measures next. It panics for a nil next, a nil
// option, or a registry that refuses its metrics.
func Handler(next http.Handler, opts ...Option) http.Handler {
	if next == nil {
		panic("httpmw: Handler: nil handler")
	}
	c := configure(opts)
	c.router.next = muxIn(next)
	c.router.learned = &learned{}
	h, err := newServer(next, c)
	if err != nil {
		panic("httpmw: " + err.Error())
	}
	return h
}

// Middleware returns a function that wraps a handler as Handler does, for routers
// that accept middleware.
func Middleware(opts ...Option) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler { return Handler(next, opts...) }
}

// SetRoute sets the route pattern of the request in ctx, for routers that do not
// expose it on the request (gin, echo).
func SetRoute(ctx context.Context, pattern string) {
	h := adapter.FromContext(ctx)
	if st, ok := h.Local().(*state); ok && pattern != "" {
		h.SetOperation(st.setRoute(pattern))
	}
}

var (
	_ http.Handler   = (*server)(nil)
	_ adapter.Router = (*state)(nil)
	_ io.ReadCloser  = (*callerBody)(nil)
)

type server struct {
	config
	next    http.Handler
	metrics serverMetrics
}

func newServer(next http.Handler, c config) (*server, error) {
	m, err := newServerMetrics(c.core)
	if err != nil {
		return nil, err
	}
	return &server{config: c, next: next, metrics: m}, nil
}

// state holds one request, in one allocation. Its hop leads to it from the context,
// however often the request is copied. It is not pooled, since a goroutine that
// outlives the request may still hold it.
type state struct {
	recorder
	hop    adapter.Hop
	server *server
	method string
	body   callerBody
	echo   [1]string // the correlation ID's response header
	// withheld is set when an interim response was sent, from which echo was taken out.
	withheld bool

	ctx  context.Context // of the request as it came
	came adapter.Received

	mu    sync.Mutex
	req   *http.Request // the request passed to next
	route string        // set by SetRoute or at the end; "" before
	inner string        // of a measured handler within, or of WithinRouter
	rpc   *rpcOutcome   // of an RPC within; nil when there is none

	within *within // the last one that served the request, and its request
	routed *http.Request
}

// setRoute sets the pattern and returns the operation.
func (s *state) setRoute(pattern string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.route = routeOf(pattern)
	return s.method + " " + s.route
}

// Operation returns the operation, or "" while the router has set no pattern. Before
// the handler has returned it may be that of an outer router.
func (s *state) Operation() string {
	s.mu.Lock()
	route, req, within, routed := s.route, s.req, s.within, s.routed
	s.mu.Unlock() // the function of WithRouteFunc may use the hop
	if route == "" && req != nil {
		pattern := s.server.router.early(req, within, routed)
		if pattern == "" {
			return ""
		}
		route = s.server.router.learned.procedure(routeOf(pattern), req)
	}
	return s.server.metrics.operationOf(s.method, route)
}

// end determines the route of a request whose handler has returned.
func (s *state) end() {
	s.mu.Lock()
	known, inner := s.route != "", s.inner
	s.mu.Unlock()
	if known {
		return
	}
	route := s.found(inner)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.route == "" { // the function of WithRouteFunc may call SetRoute
		s.route = route
	}
}

// found returns the route of a request whose handler has returned. inner is that of a
// measured handler within.
func (s *state) found(inner string) string {
	route := ""
	switch pattern := s.server.router.final(s.req); {
	case inner != "" && (pattern == "" || s.server.router.fn == nil && s.server.router.mux == nil):
		route = inner
	case pattern != "":
		route = routeOf(pattern)
	default:
		return unmatched
	}
	if s.status != http.StatusNotFound && !unimplemented(s.Header()) {
		return s.server.router.learned.procedure(route, s.req)
	}
	return route
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	skip := s.exclude[r.URL.Path]
	if skip == adapter.AllSignals {
		s.next.ServeHTTP(w, r)
		return
	}
	serveEntry.note()
	if outer := s.measuredBy(r.Context(), w, r); outer != nil {
		s.serveWithin(outer, w, r)
		return
	}
	m := methodIndex(r.Method)
	st := &state{server: s, method: methods[m], ctx: r.Context(), came: adapter.ReceivedIn(r.Header)}
	in := adapter.Incoming{
		Protocol: "http", SpanName: spanMethod(st.method), SpanKind: trace.SpanKindServer, Public: s.public, Skip: skip,
		Header: headerOf(r), RemoteAddr: r.RemoteAddr, Route: st, Local: st,
	}
	record := s.core.MayRecord(&in)
	var attrs *adapter.Attributes
	if record {
		attrs = adapter.BorrowAttributes()
		in.Attributes = startAttributes(attrs[:0], r, st.method, s.public)
	}
	h := &st.hop
	ctx := s.core.BeginInto(r.Context(), h, &in)
	if record {
		attrs.Return()
	} else if h.Span().IsRecording() { // the sampler ignores the parent
		h.Span().SetAttributes(startAttributes(nil, r, st.method, s.public)...)
	}
	st.recorder = recorder{ResponseWriter: w, hop: h, state: st}
	st.echo[0] = h.CorrelationID()
	w.Header()[echoHeader] = st.echo[:]
	req := r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		st.body.ReadCloser, st.body.hop = r.Body, h
		req.Body = &st.body
	}
	st.mu.Lock()
	st.req = req
	st.mu.Unlock()
	h.LabelProfiles(st.ctx)
	if skip&adapter.Metrics == 0 {
		active := s.metrics.inFlight(m)
		active.Inc()
		defer active.Dec()
	}
	returned := false
	defer func() {
		if returned {
			s.finish(st, nil, skip)
			return
		}
		p := recover() // nil for runtime.Goexit, which continues on its own
		err, ok := p.(error)
		if !ok || !errors.Is(err, http.ErrAbortHandler) {
			err = adapter.PanicError(p)
		}
		s.finish(st, err, skip)
		handBack(r, req)
		if p != nil {
			panic(p) // the server handles it
		}
	}()
	s.next.ServeHTTP(st.wrap(), req)
	returned = true
	handBack(r, req)
}

// handBack sets on the original request what was set on the copy that the handler was
// given. A handler around this one may read it, and the server removes the form's
// temporary files. Without a server they are removed here.
func handBack(original, copied *http.Request) {
	if form := copied.MultipartForm; form != nil && original.MultipartForm == nil && original.Context().Value(http.ServerContextKey) == nil {
		_ = form.RemoveAll() // net/http ignores the error too
	}
	original.Pattern = copied.Pattern
	original.Form, original.PostForm, original.MultipartForm = copied.Form, copied.PostForm, copied.MultipartForm
}

func headerOf(r *http.Request) http.Header {
	if r.Header == nil {
		return http.Header{}
	}
	return r.Header
}

// finish reports the request in all signals. panicked is nil unless the handler
// panicked.
func (s *server) finish(st *state, panicked error, skip adapter.Signals) {
	h, rec, ctx := &st.hop, &st.recorder, st.ctx
	st.end()
	st.mu.Lock()
	route, rpc := st.route, st.rpc
	st.mu.Unlock()
	if !h.HasOperation() {
		h.SetOperation(s.metrics.operationOf(st.method, route))
	}
	if !rec.wrote && panicked == nil && !rec.hijacked {
		st.settleEcho(rec.Header())
	}
	code, out := rec.code(), adapter.Outcome{Level: slog.LevelInfo, Message: "request", Bytes: rec.bytes}
	switch {
	case errors.Is(panicked, http.ErrAbortHandler):
		out.ErrorType = "aborted"
	case panicked != nil:
		if !rec.wrote {
			code = http.StatusInternalServerError
		}
		out.ErrorType, out.Failed, out.Err = adapter.ErrorPanic, true, panicked
	case rec.hijacked:
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) && (!rec.wrote || rec.streamed || rec.late) && !stoppedByServer(ctx):
		out.ErrorType = "client_closed_request"
		if !rec.wrote || rec.late {
			code = StatusClientClosedRequest
		}
	case rec.timedOut, errors.Is(ctx.Err(), context.DeadlineExceeded) && answersTimeouts(rec.ResponseWriter): // http.TimeoutHandler has answered
		code = http.StatusServiceUnavailable
		out.ErrorType, out.Failed = "timeout", true
	case !rec.wrote && errors.Is(ctx.Err(), context.DeadlineExceeded):
		out.ErrorType, out.Failed = "timeout", true
	case code >= 500:
		out.ErrorType, out.Failed = statusText(code), true
	case isRPC(st.req):
		out.ErrorType, out.Failed = rpcError(rec.Header())
	}
	s.countRoute(route, code)
	if out.Failed {
		out.Level = slog.LevelError
	}
	if rpc != nil && panicked == nil {
		rpc.apply(&out)
	}
	// The client decides how long these last: their duration is no latency.
	longLived := rec.hijacked || rec.streamed && rpc == nil && isStream(rec.Header()) // the self time of a measured RPC leaves the caller's pauses out
	out.StatusCode, out.Unmetered = code, longLived
	span := h.Span()
	if span.IsRecording() {
		attrs := adapter.BorrowAttributes()
		defer attrs.Return()
		out.Attrs = append(attrs[:0], adapter.AttrHTTPRoute.String(route), adapter.AttrHTTPStatus.Int(code), adapter.AttrProtocolVersion.String(version(st.req)))
		if s.public {
			out.Attrs = append(out.Attrs, adapter.AttrURLPath.String(publicPath(st.req.URL.Path, route)))
		}
		if named, ok := span.(interface{ Name() string }); ok && named.Name() != spanMethod(st.method) {
			// The handler has named its span.
		} else if st.method == adapter.Overflow {
			span.SetName(spanMethod(st.method) + " " + route)
		} else {
			span.SetName(h.Operation())
		}
	}
	if !longLived && skip&adapter.Metrics == 0 {
		out.Series = s.metrics.seriesOf(requestLabels{st.method, route, out.ErrorType, code, st.req.TLS != nil})
	}
	h.End(out)
}

// statusText returns a status as a label value, without allocating for known ones.
func statusText(code int) string {
	if code >= 100 && code < 600 {
		return statusTexts[code-100]
	}
	return strconv.Itoa(code)
}

var statusTexts = func() (t [500]string) {
	for i := range t {
		t[i] = strconv.Itoa(i + 100)
	}
	return t
}()

// callerBody is a request body. Reading it is a wait for the caller. Another goroutine
// than the handler's may read it: a reverse proxy's does.
type callerBody struct {
	io.ReadCloser
	hop   *adapter.Hop
	begun atomic.Bool // something was read
	ended atomic.Bool // a read failed or met the end
}

func (b *callerBody) Read(p []byte) (int, error) {
	c := b.hop.StartCall(caller)
	defer c.End()
	n, err := b.ReadCloser.Read(p)
	if n > 0 && !b.begun.Load() {
		b.begun.Store(true)
	}
	if err != nil {
		b.ended.Store(true)
	}
	return n, err
}

var caller = adapter.Dependency{Name: "caller", Kind: adapter.KindCaller}
