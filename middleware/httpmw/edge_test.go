package httpmw_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

const (
	callerTrace  = "0af7651916cd43dd8448eb211c80319c"
	callerParent = "00-" + callerTrace + "-b7ad6b7169203331-01"
)

// Fault 10: the shipped handler serves exemplars, whatever the trace's text.
func TestFault10ExemplarsAreServed(t *testing.T) {
	rec := mwtest.New(t)
	serve(httpmw.Handler(respond(200), httpmw.WithTelemetry(rec.Telemetry)), "GET", "/", "Traceparent", callerParent)
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	w := httptest.NewRecorder()
	rec.MetricsHandler().ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `# {trace_id="`+callerTrace+`"}`) {
		t.Errorf("no exemplar in:\n%s", w.Body)
	}
}

// Fault 12: at a public edge the caller's trace becomes a link, its baggage and
// entry are dropped; elsewhere they are taken over.
func TestFault12TrustAtTheEdge(t *testing.T) {
	for _, public := range []bool{false, true} {
		rec := mwtest.New(t)
		opts := []httpmw.Option{httpmw.WithTelemetry(rec.Telemetry), httpmw.WithRouteFunc(func(*http.Request) string { return "/r" })}
		if public {
			opts = append(opts, httpmw.WithPublicEdge())
		}
		var member string
		h := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			member = baggage.FromContext(r.Context()).Member("tenant").Value()
		}), opts...)
		serve(h, "GET", "/r", "Traceparent", callerParent, "Baggage", "tenant=a,hop.entry=POST%20/checkout,hop.start=1790000000000")
		s := rec.Span("GET /r")
		entry := "POST /checkout"
		if public {
			entry = "GET /r"
		}
		if same := s.SpanContext.TraceID().String() == callerTrace; same == public || public != (len(s.Links) == 1) {
			t.Errorf("public %v: trace %s, links %v", public, s.SpanContext.TraceID(), s.Links)
		}
		if public != (member == "") || rec.Count("hop_self_duration_seconds", "entry", entry) != 1 {
			t.Errorf("public %v: baggage %q, entry is not %q", public, member, entry)
		}
	}
}

// Fault 13: health checks are left out, or only some of their signals.
func TestFault13HealthChecks(t *testing.T) {
	rec := mwtest.New(t)
	serve(httpmw.Handler(respond(200), httpmw.WithTelemetry(rec.Telemetry)), "GET", "/healthz")
	if len(rec.Spans()) != 0 || rec.Count(serverFamily) != 0 || len(rec.Lines()) != 0 {
		t.Error("a health check was reported by default")
	}
	h := httpmw.Handler(respond(200), httpmw.WithTelemetry(rec.Telemetry), httpmw.WithExcludeSignals(hop.Traces|hop.Logs, "/ping"))
	serve(h, "GET", "/ping", "Traceparent", callerParent)
	if len(rec.Spans()) != 0 || rec.Count(serverFamily) != 1 || len(rec.Lines()) != 0 {
		t.Errorf("metrics alone wanted: %d spans, %d observations, %d lines", len(rec.Spans()), rec.Count(serverFamily), len(rec.Lines()))
	}
	serve(h, "GET", "/healthz")
	if rec.Count(serverFamily) != 2 {
		t.Error("own exclusions do not replace the default ones")
	}
}

func TestSignalsAreExcludedOneByOne(t *testing.T) {
	for _, excluded := range []hop.Signals{hop.Traces, hop.Metrics, hop.Logs, hop.Traces | hop.Metrics, hop.AllSignals} {
		rec := mwtest.New(t)
		inFlight := 0
		h := httpmw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			inFlight = rec.Count("http_server_active_requests")
		}), httpmw.WithTelemetry(rec.Telemetry), httpmw.WithExcludeSignals(excluded, "/ping"))
		serve(h, "GET", "/ping")
		has := func(s hop.Signals) int {
			if excluded&s != 0 {
				return 0
			}
			return 1
		}
		if spans, lines := len(rec.Spans()), len(rec.Lines()); spans != has(hop.Traces) || lines != has(hop.Logs) {
			t.Errorf("without %03b: %d spans, %d lines", excluded, spans, lines)
		}
		own, hops, want := rec.Count(serverFamily), rec.Count("hop_duration_seconds"), has(hop.Metrics)
		if own != want || hops != want || inFlight != want {
			t.Errorf("without %03b: %d of the transport, %d of the hop, %d in flight", excluded, own, hops, inFlight)
		}
	}
}

// Fault 15: what a server's hop says never labels its client's metrics.
func TestFault15ServerLabelsStayOutOfClientMetrics(t *testing.T) {
	back := httptest.NewServer(respond(204))
	defer back.Close()
	rec := mwtest.New(t)
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry), httpmw.WithDependency("back"))}
	serve(httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		httpmw.SetRoute(r.Context(), "/secret/{route}")
		req, _ := http.NewRequestWithContext(r.Context(), "GET", back.URL, nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
	}), httpmw.WithTelemetry(rec.Telemetry)), "GET", "/secret/7")
	mfs, _ := rec.Registry.Gather()
	for _, mf := range mfs {
		if mf.GetName() == clientFamily && strings.Contains(mf.String(), "secret") {
			t.Errorf("the client's family knows the server's route: %s", mf)
		}
	}
	if rec.Count("hop_wait_duration_seconds", "operation", "GET /secret/{route}", "dependency", "back") != 1 {
		t.Error("the wait for back is missing")
	}
}

func TestUnknownMethodsAreOneLabelValue(t *testing.T) {
	rec := mwtest.New(t)
	h := httpmw.Handler(respond(200), httpmw.WithTelemetry(rec.Telemetry))
	for _, m := range []string{"FOO", "BAR", "get"} {
		serve(h, m, "/")
	}
	if rec.Series(serverFamily) != 1 || rec.Count(serverFamily, "http_request_method", adapter.Overflow) != 3 {
		t.Error("methods outside the known set are not one series")
	}
	if rec.Spans()[0].Attributes["http.request.method_original"] != "FOO" {
		t.Error("the original method is not on the span")
	}
}

func TestCorrelationID(t *testing.T) {
	for name, c := range map[string]struct {
		header []string
		want   string // "" means a generated one
	}{
		"taken over":                     {[]string{"X-Correlation-ID", "a-1"}, "a-1"},
		"request ID is the fallback":     {[]string{"X-Request-ID", "r-1"}, "r-1"},
		"the header is before baggage":   {[]string{"X-Correlation-ID", "a-1", "Baggage", "correlation.id=b-1"}, "a-1"},
		"baggage without a header":       {[]string{"Baggage", "x=1, correlation.id=b%2D1;p=1"}, "b-1"},
		"control characters are refused": {[]string{"X-Correlation-ID", "a\x01b"}, ""},
		"129 bytes are too long":         {[]string{"X-Correlation-ID", strings.Repeat("a", 129)}, ""},
		"128 bytes are not":              {[]string{"X-Correlation-ID", strings.Repeat("a", 128)}, strings.Repeat("a", 128)},
		"no baggage after a bad header":  {[]string{"X-Correlation-ID", "ü", "Baggage", "correlation.id=b-1"}, ""},
		"none":                           {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rec := mwtest.New(t)
			r := httptest.NewRequest("GET", "/", nil)
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			var inside string
			w := httptest.NewRecorder()
			httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				inside = hop.CorrelationID(r.Context())
			}), httpmw.WithTelemetry(rec.Telemetry)).ServeHTTP(w, r)
			got := w.Header().Get("X-Correlation-ID")
			if c.want == "" && (len(got) != 36 || got[14] != '7') || c.want != "" && got != c.want || inside != got {
				t.Errorf("echoed %q, inside %q, want %q", got, inside, c.want)
			}
			rec.Line(got)
			if a := rec.Spans()[0].Attributes[hop.CorrelationKey]; a != got {
				t.Errorf("span says %q", a)
			}
		})
	}
}

func newRequest() *http.Request {
	r, _ := http.NewRequest("GET", "http://stock/", nil)
	return r
}

// captured is a transport that keeps the request and answers.
type captured struct{ header http.Header }

func (c *captured) RoundTrip(r *http.Request) (*http.Response, error) {
	c.header = r.Header
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

func TestPropagationForms(t *testing.T) {
	for name, c := range map[string]struct {
		in  [2]string
		out httpmw.Option
		key string
	}{
		"Jaeger": {[2]string{"Uber-Trace-Id", callerTrace + ":b7ad6b7169203331:0:1"}, httpmw.WithJaegerPropagation(), "Uber-Trace-Id"},
		"B3":     {[2]string{"B3", callerTrace + "-b7ad6b7169203331-1"}, httpmw.WithB3Propagation(), "X-B3-Traceid"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := mwtest.New(t, hop.WithAccept(hop.Jaeger{}, hop.B3{}))
			out := &captured{}
			client := httpmw.Transport(out, httpmw.WithTelemetry(rec.Telemetry), c.out)
			serve(httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				req, _ := http.NewRequestWithContext(r.Context(), "GET", "http://legacy/", nil)
				resp, err := client.RoundTrip(req)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}), httpmw.WithTelemetry(rec.Telemetry)), "GET", "/", c.in[0], c.in[1], "Uberctx-Tenant", "a%20b")
			if !strings.HasPrefix(out.header.Get(c.key), callerTrace) || !strings.Contains(out.header.Get("Traceparent"), callerTrace) {
				t.Errorf("outgoing: %v", out.header)
			}
			if out.header.Get("X-Correlation-ID") != "c-1" {
				t.Error("the correlation ID does not go on")
			}
			if name == "Jaeger" && (out.header.Get("Uberctx-Tenant") != "a%20b" || !strings.Contains(out.header.Get("Baggage"), "tenant=a%20b")) {
				t.Errorf("Jaeger's baggage does not go on: %v", out.header)
			}
		})
	}
}

func TestHostileHeadersDoNotBreakARequest(t *testing.T) {
	rec := mwtest.New(t)
	for _, h := range []string{
		strings.Repeat("k=v,", 64) + "k=v", strings.Repeat("x", 9000), "hop.entry=%zz,hop.start=x", "=,;=,,", "\x00=\xff",
		"hop.entry=" + strings.Repeat("a", 300),
	} {
		w := serve(httpmw.Handler(respond(204), httpmw.WithTelemetry(rec.Telemetry)), "GET", "/", "Baggage", h,
			"Traceparent", h, "Tracestate", h, "User-Agent", h)
		if w.Code != 204 {
			t.Errorf("%.20q: %d", h, w.Code)
		}
	}
	if n := rec.Series("hop_self_duration_seconds"); n != 1 {
		t.Errorf("%d series, want 1", n)
	}
}

func TestWrongUseFailsAtConstruction(t *testing.T) {
	for name, f := range map[string]func(){
		"nil handler":     func() { httpmw.Handler(nil) },
		"nil option":      func() { httpmw.Handler(respond(200), nil) },
		"nil telemetry":   func() { httpmw.WithTelemetry(nil) },
		"nil mux":         func() { httpmw.WithMux(nil) },
		"nil route func":  func() { httpmw.WithRouteFunc(nil) },
		"nil propagation": func() { httpmw.WithPropagation(nil) },
	} {
		func() {
			defer func() {
				if msg, ok := recover().(string); !ok || !strings.HasPrefix(msg, "httpmw: ") {
					t.Errorf("%s: panic %q does not say where", name, msg)
				}
			}()
			f()
		}()
	}
	for _, o := range []hop.Option{nil, hop.WithTracerProvider(nil), hop.WithPropagator(nil), hop.WithRegistry(nil),
		hop.WithSeriesLimit(0), hop.WithAccept(nil), hop.WithLogSampling(hop.LogSampling{Rate: 2})} {
		if _, err := hop.New(o); err == nil {
			t.Error("a wrong option was taken")
		}
	}
}

func TestLogSampling(t *testing.T) {
	rec := mwtest.New(t, hop.WithLogSampling(hop.LogSampling{Rate: 0}))
	serve(httpmw.Handler(respond(200), httpmw.WithTelemetry(rec.Telemetry)), "GET", "/")
	serve(httpmw.Handler(respond(500), httpmw.WithTelemetry(rec.Telemetry)), "GET", "/")
	if l := rec.Lines(); len(l) != 1 || l[0]["status"] != 500. {
		t.Errorf("lines %v, want the failed request's alone", l)
	}
}

func TestNothingSampledStillMeasures(t *testing.T) {
	rec := mwtest.New(t)
	serve(httpmw.Handler(respond(200), httpmw.WithTelemetry(rec.Telemetry)), "GET", "/", "Traceparent", "00-"+callerTrace+"-b7ad6b7169203331-00")
	if len(rec.Spans()) != 0 || rec.Count(serverFamily) != 1 || rec.Line("c-1")["trace_id"] != callerTrace {
		t.Error("an unsampled request is not measured")
	}
}

func TestLoggerOutsideAHop(t *testing.T) {
	if hop.Logger(context.Background()) == nil || adapter.FromContext(context.Background()).Span() == nil {
		t.Error("nil outside a hop")
	}
	var h *adapter.Hop
	h.SetOperation("x")
	h.End(adapter.Outcome{})
	if h.Operation()+h.Entry()+h.CorrelationID() != "" || trace.SpanFromContext(context.Background()).IsRecording() {
		t.Error("a nil hop is not inert")
	}
}
