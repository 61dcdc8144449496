package httpmw_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

const (
	serverFamily = "http_server_request_duration_seconds"
	clientFamily = "http_client_request_duration_seconds"
)

// serve handles one request directly and returns the recorded answer.
func serve(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "10.0.0.7:49152" // a caller within the fleet
	r.Header.Set("X-Correlation-ID", "c-1")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func respond(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// Fault 1: addresses and agents never become labels, and a family is capped.
func TestFault01SeriesAreBounded(t *testing.T) {
	rec := mwtest.New(t, hop.WithSeriesLimit(20))
	h := httpmw.Handler(respond(200), httpmw.WithTelemetry(rec.Telemetry),
		httpmw.WithRouteFunc(func(r *http.Request) string { return r.URL.Path })) // a careless route function
	for i := range 500 {
		serve(h, "GET", "/user/"+strconv.Itoa(i), "User-Agent", strconv.Itoa(i))
	}
	for _, family := range []string{serverFamily, "hop_self_duration_seconds", "hop_duration_seconds"} {
		if n := rec.Series(family); n > 21 {
			t.Errorf("%s has %d series, the limit is 20 and one for the rest", family, n)
		}
		if n := rec.Count(family); n != 500 {
			t.Errorf("%s counts %d of 500 requests", family, n)
		}
	}
	if n := rec.Count(serverFamily, "http_route", adapter.Overflow); n != 480 {
		t.Errorf("%d requests under %s, want 480", n, adapter.Overflow)
	}
}

// Fault 2: the route survives a middleware that copies the request.
func TestFault02RouteSurvivesCopies(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", respond(200))
	copying := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), t, 1)))
	})
	setting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpmw.SetRoute(context.WithValue(r.Context(), t, 1), "/items/{id}")
	})
	for name, h := range map[string]func(*hop.Telemetry) http.Handler{
		"the mux itself": func(tel *hop.Telemetry) http.Handler { return httpmw.Handler(mux, httpmw.WithTelemetry(tel)) },
		"a copy before a known mux": func(tel *hop.Telemetry) http.Handler {
			return httpmw.Handler(copying, httpmw.WithTelemetry(tel), httpmw.WithMux(mux))
		},
		"SetRoute from a copy": func(tel *hop.Telemetry) http.Handler {
			return httpmw.Handler(setting, httpmw.WithTelemetry(tel))
		},
	} {
		t.Run(name, func(t *testing.T) {
			rec := mwtest.New(t)
			serve(h(rec.Telemetry), "GET", "/items/7")
			rec.Span("GET /items/{id}").Want("http.route", "/items/{id}")
			if n := rec.Count(serverFamily, "http_route", "/items/{id}"); n != 1 {
				t.Errorf("metric label: %d", n)
			}
			if op := rec.Line("c-1")["operation"]; op != "GET /items/{id}" {
				t.Errorf("log: %v", op)
			}
			if n := rec.Count("hop_self_duration_seconds", "operation", "GET /items/{id}", "entry", "GET /items/{id}"); n != 1 {
				t.Errorf("self time: %d", n)
			}
		})
	}
}

// Fault 3: an interim 1xx is not the status, and a superfluous WriteHeader
// changes neither the answer nor the record.
func TestFault03InterimAndSuperfluousHeaders(t *testing.T) {
	rec := mwtest.New(t)
	srv := httptest.NewServer(httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusNotFound)
		w.WriteHeader(http.StatusInternalServerError)
	}), httpmw.WithTelemetry(rec.Telemetry)))
	srv.Config.ErrorLog = nil
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	srv.Close()
	if resp.StatusCode != 404 {
		t.Errorf("the client sees %d, want 404", resp.StatusCode)
	}
	if n := rec.Count(serverFamily, "http_response_status_code", "404"); n != 1 {
		t.Errorf("404 counted %d times", n)
	}
}

type fullWriter struct{ http.ResponseWriter }

func (fullWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errors.New("no") }
func (fullWriter) Flush()                                       {}
func (fullWriter) Push(string, *http.PushOptions) error         { return nil }
func (fullWriter) ReadFrom(r io.Reader) (int64, error)          { return io.Copy(io.Discard, r) }

// Fault 4: the handler sees exactly the inner writer's interfaces.
func TestFault04WriterInterfacesAreKept(t *testing.T) {
	rec := mwtest.New(t)
	base := httptest.NewRecorder()
	type (
		f = http.Flusher
		h = http.Hijacker
		p = http.Pusher
		r = io.ReaderFrom
	)
	full := fullWriter{base}
	plain := struct{ http.ResponseWriter }{base}
	for _, inner := range []http.ResponseWriter{
		plain, full,
		struct {
			http.ResponseWriter
			f
		}{base, full},
		struct {
			http.ResponseWriter
			h
		}{base, full},
		struct {
			http.ResponseWriter
			p
		}{base, full},
		struct {
			http.ResponseWriter
			r
		}{base, full},
		struct {
			http.ResponseWriter
			f
			p
		}{base, full, full},
		struct {
			http.ResponseWriter
			f
			h
			r
		}{base, full, full, full},
		struct {
			http.ResponseWriter
			h
			p
			r
		}{base, full, full, full},
	} {
		has := func(w http.ResponseWriter) (s string) {
			if _, ok := w.(f); ok {
				s += "F"
			}
			if _, ok := w.(h); ok {
				s += "H"
			}
			if _, ok := w.(p); ok {
				s += "P"
			}
			if _, ok := w.(r); ok {
				s += "R"
			}
			return s
		}
		httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if got, want := has(w), has(inner); got != want {
				t.Errorf("the handler sees %q, the inner writer has %q", got, want)
			}
			u, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if !ok || u.Unwrap() != inner {
				t.Error("Unwrap does not lead to the inner writer")
			}
		}), httpmw.WithTelemetry(rec.Telemetry)).ServeHTTP(inner, httptest.NewRequest("GET", "/", nil))
	}
}

// Fault 4, on real connections: ReadFrom's bytes are counted and
// http.ResponseController works, over HTTP/1.1 and HTTP/2.
func TestFault04ReadFromAndResponseController(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		rec := mwtest.New(t)
		srv := httptest.NewUnstartedServer(httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c := http.NewResponseController(w)
			if err := c.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Errorf("SetWriteDeadline: %v", err)
			}
			_, _ = io.Copy(w, strings.NewReader(strings.Repeat("x", 100_000)))
			if err := c.Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
		}), httpmw.WithTelemetry(rec.Telemetry)))
		srv.EnableHTTP2 = h2
		if h2 {
			srv.StartTLS()
		} else {
			srv.Start()
		}
		req, _ := http.NewRequest("GET", srv.URL, nil)
		req.Header.Set("X-Correlation-ID", "c-1")
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		srv.Close()
		if n != 100_000 || rec.Line("c-1")["bytes"] != 100_000. {
			t.Errorf("HTTP/2 %v: client read %d, log says %v", h2, n, rec.Line("c-1")["bytes"])
		}
	}
}

// Fault 5: a hijacked connection is a 101 without a latency; an event stream
// has a span and a line, but no place in the latency histogram.
func TestFault05LongLivedConnections(t *testing.T) {
	rec := mwtest.New(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_ = conn.Close()
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
	})
	srv := httptest.NewServer(httpmw.Handler(mux, httpmw.WithTelemetry(rec.Telemetry)))
	for _, path := range []string{"/ws", "/events"} {
		req, _ := http.NewRequest("GET", srv.URL+path, nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "websocket")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	srv.Close()
	waitFor(t, func() bool { return len(rec.Spans()) == 2 })
	rec.Span("GET /ws").Want("http.response.status_code", "101")
	rec.Span("GET /events").Want("http.response.status_code", "200")
	if n := rec.Count(serverFamily) + rec.Count("hop_duration_seconds"); n != 0 {
		t.Errorf("%d observations of long-lived connections", n)
	}
}

// waitFor waits for what a server does after the client has its answer.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the condition was not met within 10 s")
		}
	}
}

// Fault 6: temporary files of a multipart form are removed.
func TestFault06MultipartFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	rec := mwtest.New(t)
	h := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
		if files, _ := os.ReadDir(dir); len(files) == 0 {
			t.Error("the form left no temporary file: the test proves nothing")
		}
	}), httpmw.WithTelemetry(rec.Telemetry))
	pr, pw := io.Pipe()
	form := multipart.NewWriter(pw)
	go func() {
		f, _ := form.CreateFormFile("f", "f.bin")
		_, _ = f.Write(make([]byte, 64<<10))
		_ = form.Close()
		_ = pw.Close()
	}()
	r := httptest.NewRequest("POST", "/upload", pr)
	r.Header.Set("Content-Type", form.FormDataContentType())
	h.ServeHTTP(httptest.NewRecorder(), r)
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

// Fault 7: a panic is in all signals and goes on; ErrAbortHandler stays quiet.
func TestFault07Panics(t *testing.T) {
	for _, c := range []struct {
		value     any
		errorType string
		level     string
		status    codes.Code
	}{
		{"boom", "panic", "error", codes.Error},
		{http.ErrAbortHandler, "aborted", "info", codes.Unset},
	} {
		rec := mwtest.New(t)
		h := httpmw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(c.value) }), httpmw.WithTelemetry(rec.Telemetry))
		func() {
			defer func() {
				if p := recover(); p != c.value {
					t.Errorf("panic %v went on as %v", c.value, p)
				}
			}()
			serve(h, "GET", "/")
		}()
		if s := rec.Spans(); len(s) != 1 || s[0].Status != c.status || s[0].Attributes["error.type"] != c.errorType {
			t.Errorf("%v: spans %+v", c.value, s)
		}
		if n := rec.Count(serverFamily, "error_type", c.errorType); n != 1 {
			t.Errorf("%v: metric %d", c.value, n)
		}
		if l := rec.Line("c-1"); l["level"] != c.level || l["error_type"] != c.errorType {
			t.Errorf("%v: line %v", c.value, l)
		}
		if n := rec.Count("http_server_active_requests"); n != 0 {
			t.Errorf("%v: %d still in flight", c.value, n)
		}
	}
}

// Fault 8: a call whose body nobody closes ends with its hop or its context.
func TestFault08CallsEnd(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "body") }))
	defer back.Close()
	rec := mwtest.New(t)
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry), httpmw.WithDependency("back"))}
	get := func(ctx context.Context) *http.Response {
		req, _ := http.NewRequestWithContext(ctx, "GET", back.URL, nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	ctx, h := rec.Core().Begin(context.Background(), adapter.Incoming{Protocol: "test", Operation: "op", SpanKind: trace.SpanKindServer})
	left := get(ctx)
	h.End(adapter.Outcome{})
	defer left.Body.Close()
	if rec.OpenSpans() != 0 || rec.Count(clientFamily) != 1 {
		t.Errorf("after the hop's end: %d open spans, %d observations", rec.OpenSpans(), rec.Count(clientFamily))
	}
	ctx, cancel := context.WithCancel(context.Background())
	left = get(ctx)
	defer left.Body.Close()
	cancel()
	waitFor(t, func() bool { return rec.OpenSpans() == 0 })
}

// Fault 9: a failed call has its metric, and a departed client is no 200.
func TestFault09TransportErrorsAndDepartedClients(t *testing.T) {
	rec := mwtest.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there any more
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry), httpmw.WithDependency("gone"))}
	if _, err := client.Get("http://" + l.Addr().String()); err == nil {
		t.Fatal("the call did not fail")
	}
	if n := rec.Count(clientFamily, "dependency", "gone", "error_type", "network_dial"); n != 1 {
		t.Errorf("failed call: %d observations", n)
	}

	ctx, cancel := context.WithCancel(context.Background())
	h := httpmw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() }), httpmw.WithTelemetry(rec.Telemetry))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/slow", nil).WithContext(ctx))
	if n := rec.Count(serverFamily, "http_response_status_code", "499", "error_type", "client_closed_request"); n != 1 {
		t.Errorf("departed client: %d observations", n)
	}
}
