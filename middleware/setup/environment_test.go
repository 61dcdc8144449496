package setup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
)

// A value that would be ignored is an error at Start that names the variable.
func TestUnsupportedValuesAreRefused(t *testing.T) {
	for _, kv := range [][2]string{
		{"OTEL_TRACES_SAMPLER", "jaeger_remote"}, {"OTEL_TRACES_SAMPLER", "traceidration"},
		{"OTEL_TRACES_EXPORTER", "zipkin"}, {"OTEL_METRICS_EXPORTER", "statsd"}, {"OTEL_LOGS_EXPORTER", "file"},
		{"OTEL_PROPAGATORS", "xray"}, {"OTEL_PROPAGATORS", "tracecontext,b4"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "10.0.0.9:4318"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector"}, {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "ftp://collector"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"}, {"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"},
		{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "many"}, {"OTEL_BSP_MAX_QUEUE_SIZE", "0"}, {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s"},
	} {
		t.Run(kv[0]+"="+kv[1], func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(kv[0], kv[1])
			rt, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(io.Discard))
			if err == nil {
				_ = rt.Shutdown(t.Context())
				t.Fatal("Start takes the value in silence")
			}
			if !strings.Contains(err.Error(), strings.TrimSuffix(kv[0], "_TRACES")) {
				t.Errorf("the error does not name the variable: %v", err)
			}
		})
	}
}

// Each format of trace context is read and sent.
func TestPropagatorsAreHonoured(t *testing.T) {
	const tid, sid = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for name, in := range map[string][2]string{
		"tracecontext": {"Traceparent", "00-" + tid + "-" + sid + "-01"},
		"b3":           {"B3", tid + "-" + sid + "-1"},
		"b3multi":      {"X-B3-Traceid", tid},
		"jaeger":       {"Uber-Trace-Id", tid + ":" + sid + ":0:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_PROPAGATORS", name+",baggage")
			t.Setenv("OTEL_TRACES_EXPORTER", "none")
			rt := start(t)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set(in[0], in[1])
			r.Header.Set("X-B3-SpanId", sid)
			r.Header.Set("X-B3-Sampled", "1")
			if got := passedOn(t, rt, r).Get(in[0]); !strings.Contains(got, tid) {
				t.Errorf("the next service gets %s: %q", in[0], got)
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
	t.Cleanup(func() { _ = rt.Shutdown(context.Background()) })
	return rt
}

// passedOn returns the headers that the service behind gets when r is handled.
func passedOn(t *testing.T, rt *setup.Runtime, r *http.Request) (next http.Header) {
	t.Helper()
	leaf := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { next = r.Header }))
	defer leaf.Close()
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rt.Telemetry))}
	httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, leaf.URL, nil)
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
		}
	}), httpmw.WithTelemetry(rt.Telemetry)).ServeHTTP(httptest.NewRecorder(), r)
	return next
}

// A service whose spans are off passes its caller's context on, and a disabled SDK
// sends nothing.
func TestTracesOffPassTheContextOn(t *testing.T) {
	const sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, off := range [][2]string{{"OTEL_SDK_DISABLED", "true"}, {"OTEL_TRACES_EXPORTER", "none"}} {
		t.Run(off[0], func(t *testing.T) {
			var posts atomic.Int32
			collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { posts.Add(1) }))
			defer collector.Close()
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
			if off[0] == "OTEL_SDK_DISABLED" {
				t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
				t.Setenv("OTEL_LOGS_EXPORTER", "otlp")
			}
			t.Setenv(off[0], off[1])
			rt := start(t)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("traceparent", sampled)
			if got := passedOn(t, rt, r).Get("traceparent"); got != sampled {
				t.Errorf("the next service gets %q", got)
			}
			if err := rt.Shutdown(context.Background()); err != nil || posts.Load() != 0 {
				t.Errorf("%d exports, %v", posts.Load(), err)
			}
		})
	}
}

// The operator's resource attributes count more than the program's.
func TestResourceVariablesWin(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop-canary,service.version=2.1-canary")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	rt, err := setup.Start(t.Context(), "shop", setup.WithVersion("2.0"), setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { ended, cancel := context.WithCancel(t.Context()); cancel(); _ = rt.Shutdown(ended) }()
	_, span := rt.TracerProvider.Tracer("t").Start(t.Context(), "x")
	text := resourceText(span)
	if rt.Telemetry.ServiceName() != "shop-canary" || !strings.Contains(text, "shop-canary") || !strings.Contains(text, "2.1-canary") {
		t.Errorf("service %q, resource %s", rt.Telemetry.ServiceName(), text)
	}
}

func TestStartTakesARegistryWithGoCollectors(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	start(t, setup.WithRegistry(reg))
}

// The error of the last flush comes back from Shutdown.
func TestShutdownReturnsTheLastError(t *testing.T) {
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	rt, err := setup.Start(t.Context(), "job", setup.WithLogWriter(&bytes.Buffer{}))
	if err != nil {
		t.Fatal(err)
	}
	_, span := rt.TracerProvider.Tracer("t").Start(t.Context(), "work")
	span.End()
	if err := rt.Shutdown(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("Shutdown returns %v", err)
	}
}

// An export in flight ends with a Shutdown that has run out of time.
func TestNoExportOutlivesShutdown(t *testing.T) {
	release := make(chan struct{})
	ended := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
			close(ended)
		case <-release:
		}
	}))
	defer collector.Close()
	defer close(release)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	rt, err := setup.Start(t.Context(), "job", setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	_, span := rt.TracerProvider.Tracer("t").Start(t.Context(), "work", trace.WithSpanKind(trace.SpanKindServer))
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := rt.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returns %v", err)
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the export goes on after Shutdown")
	}
}

func resourceText(s trace.Span) string {
	return s.(interface{ Resource() *resource.Resource }).Resource().String()
}
