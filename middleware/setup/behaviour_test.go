package setup_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

// through sends a request through a service and returns the headers that the next
// service gets.
func through(t *testing.T, rt *setup.Runtime, headers map[string]string) http.Header {
	t.Helper()
	var got http.Header
	next := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer next.Close()
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rt.Telemetry))}
	h := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, next.URL, nil)
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}), httpmw.WithTelemetry(rt.Telemetry))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
	return got
}

// Each propagator joins the caller's trace and passes it on in its own headers.
func TestPropagators(t *testing.T) {
	for name, c := range map[string]struct {
		in     map[string]string
		header string
	}{
		"tracecontext": {map[string]string{"Traceparent": "00-" + traceID + "-" + spanID + "-01"}, "Traceparent"},
		"b3":           {map[string]string{"B3": traceID + "-" + spanID + "-1"}, "B3"},
		"b3multi":      {map[string]string{"X-B3-TraceId": traceID, "X-B3-SpanId": spanID, "X-B3-Sampled": "1"}, "X-B3-Traceid"},
		"jaeger":       {map[string]string{"Uber-Trace-Id": traceID + ":" + spanID + ":0:1"}, "Uber-Trace-Id"},
		"xray":         {map[string]string{"X-Amzn-Trace-Id": "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=" + spanID + ";Sampled=1"}, "X-Amzn-Trace-Id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_PROPAGATORS", name+",baggage")
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			rt := start(t)
			got := through(t, rt, c.in)
			if id := strings.ReplaceAll(got.Get(c.header), "-", ""); !strings.Contains(id, traceID) {
				t.Errorf("%s is %q, want trace %s", c.header, got.Get(c.header), traceID)
			}
			if name != "tracecontext" && got.Get("Traceparent") != "" {
				t.Errorf("traceparent %s is sent too", got.Get("Traceparent"))
			}
		})
	}
}

func start(t *testing.T, opts ...setup.Option) *setup.Runtime {
	t.Helper()
	rt, err := setup.Start(t.Context(), "shop", append([]setup.Option{setup.WithLogWriter(io.Discard)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = rt.Shutdown(ctx)
	})
	return rt
}

// Without spans of its own, a service leaves the caller's context as it is. A disabled
// SDK sends nothing at all.
func TestServiceWithoutSpansPassesTheTraceOn(t *testing.T) {
	for _, env := range []string{"OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"} {
		for _, flags := range []string{"-01", "-00"} {
			t.Run(env+flags, func(t *testing.T) {
				collector := newCollector(t, http.StatusOK)
				name, value, _ := strings.Cut(env, "=")
				t.Setenv(name, value)
				t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
				t.Setenv("OTEL_LOGS_EXPORTER", "otlp")
				rt := start(t, setup.WithGlobal())
				in := "00-" + traceID + "-" + spanID + flags
				if got := through(t, rt, map[string]string{"Traceparent": in}).Get("Traceparent"); got != in {
					t.Errorf("the next service gets %q, want %q", got, in)
				}
				ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
				if _, s := otel.Tracer("x").Start(ctx, "y"); s.SpanContext().SpanID() != (trace.SpanID{2}) {
					t.Error("the global provider starts a span")
				}
				_ = rt.Shutdown(t.Context())
				if paths := collector.paths(); name == "OTEL_SDK_DISABLED" && len(paths) > 0 {
					t.Errorf("the disabled SDK sent %v", paths)
				}
			})
		}
	}
}

// Without a caller, exporter none still gives the trace an ID, for the services behind.
func TestExporterNoneStartsATrace(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	if got := through(t, start(t), nil).Get("Traceparent"); !strings.HasSuffix(got, "-01") {
		t.Errorf("the next service gets %q", got)
	}
}

// What the last exports could not send is an error of Shutdown, for each signal.
func TestShutdownReturnsTheLastExport(t *testing.T) {
	newCollector(t, http.StatusUnauthorized)
	t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
	t.Setenv("OTEL_LOGS_EXPORTER", "otlp")
	rt, err := setup.Start(t.Context(), "job", setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	_, span := rt.TracerProvider.Tracer("t").Start(t.Context(), "work")
	span.End()
	rt.Logger.Info().Msg("done")
	err = rt.Shutdown(t.Context())
	if err == nil {
		t.Fatal("Shutdown returns nil")
	}
	for _, signal := range []string{"1 spans are not exported", "1 log records are not exported", "metrics are not exported", "OTEL_EXPORTER_OTLP_HEADERS"} {
		if !strings.Contains(err.Error(), signal) {
			t.Errorf("no %q in %v", signal, err)
		}
	}
}

// The variables of the deployment win over the program, in every signal.
func TestResourceOfTheDeployment(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop-canary,service.version=2.1,service.instance.id=i-7")
	t.Setenv("OTEL_TRACES_EXPORTER", "console")
	var out bytes.Buffer
	rt, err := setup.Start(t.Context(), "shop", setup.WithVersion("2.0"), setup.WithInstance("i-1"), setup.WithLogWriter(&out))
	if err != nil {
		t.Fatal(err)
	}
	_, span := rt.TracerProvider.Tracer("t").Start(t.Context(), "work")
	span.End()
	if err := rt.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"shop-canary"`, `"2.1"`, `"i-7"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in the span:\n%s", want, out.String())
		}
	}
	if rt.Telemetry.ServiceName() != "shop-canary" {
		t.Errorf("the label service_name is %q", rt.Telemetry.ServiceName())
	}
}

// The default registry has the Go and process collectors already.
func TestDefaultRegistry(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	start(t, setup.WithRegistry(prometheus.DefaultRegisterer.(*prometheus.Registry)))
}

// A Shutdown that was cut off leaves no goroutine behind.
func TestTimedOutShutdownLeavesNothing(t *testing.T) {
	for _, c := range [][2]string{{"grpc", "otlp"}, {"http/protobuf", "otlp"}, {"grpc", "otlp,console"}, {"http/protobuf", "otlp,console"}} {
		protocol, exporters := c[0], c[1]
		t.Run(protocol+" "+exporters, func(t *testing.T) {
			t.Setenv("OTEL_TRACES_EXPORTER", exporters)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", silentCollector(t))
			t.Setenv("OTEL_LOGS_EXPORTER", exporters)
			t.Setenv("OTEL_METRICS_EXPORTER", exporters)
			rt, err := setup.Start(t.Context(), "job", setup.WithLogWriter(io.Discard), setup.WithAdmin(":0"))
			if err != nil {
				t.Fatal(err)
			}
			for range 1000 {
				_, span := rt.TracerProvider.Tracer("t").Start(t.Context(), "work")
				span.End()
				rt.Logger.Info().Msg("line")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if rt.Shutdown(ctx) == nil {
				t.Error("Shutdown returns nil")
			}
			var left []string
			for range 100 {
				if left = exporterGoroutines(); len(left) == 0 {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Errorf("two seconds after Shutdown there are:\n%s", strings.Join(left, "\n\n"))
		})
	}
}

// exporterGoroutines returns the stacks of goroutines in OpenTelemetry's packages. Idle
// connections of net/http are not theirs; they close by themselves.
func exporterGoroutines() []string {
	stacks := make([]byte, 1<<20)
	var found []string
	for s := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(s, "go.opentelemetry.io/") && !strings.Contains(s, "testing.tRunner") {
			found = append(found, s)
		}
	}
	return found
}

// collector takes OTLP over HTTP.
type collector struct {
	mu   sync.Mutex
	got  []string
	body map[string][]byte // the last body of a path
}

func newCollector(t *testing.T, status int) *collector {
	t.Helper()
	c := &collector{body: map[string][]byte{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		c.got, c.body[r.URL.Path] = append(c.got, r.URL.Path), b
		c.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	return c
}

func (c *collector) paths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got
}

// A console that does not take the spans is an error of Shutdown too.
func TestShutdownReturnsTheConsolesError(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "console")
	t.Setenv("OTEL_METRICS_EXPORTER", "console")
	rt, err := setup.Start(t.Context(), "job", setup.WithLogWriter(closedWriter{}))
	if err != nil {
		t.Fatal(err)
	}
	_, span := rt.TracerProvider.Tracer("t").Start(t.Context(), "work")
	span.End()
	err = rt.Shutdown(t.Context())
	for _, signal := range []string{"1 spans for the console", "metrics for the console"} {
		if err == nil || !strings.Contains(err.Error(), signal) {
			t.Errorf("no %q in %v", signal, err)
		}
	}
	if err := rt.Shutdown(t.Context()); err == nil {
		t.Error("a second Shutdown forgets the error")
	}
}

type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
