package setup_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/setup"
)

// Whatever the transport, a service without spans of its own passes on the caller's
// decision, its trace state, baggage and correlation ID. The sampler has no say in it.
func TestPassThrough(t *testing.T) {
	for _, c := range []struct {
		name    string
		env     map[string]string
		options []setup.Option
	}{
		{"disabled", map[string]string{"OTEL_SDK_DISABLED": " True "}, nil},
		{"exporter none", map[string]string{"OTEL_TRACES_EXPORTER": "None"}, nil},
		{"none and always_off", map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "always_off"}, nil},
		{"none and always_on", map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "always_on"}, nil},
		{"without traces", nil, []setup.Option{setup.WithoutTraces()}},
		{"without traces, console", map[string]string{"OTEL_TRACES_EXPORTER": "console"}, []setup.Option{setup.WithoutTraces()}},
	} {
		for _, flags := range []string{"-01", "-00"} {
			t.Run(c.name+flags, func(t *testing.T) {
				t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
				for k, v := range c.env {
					t.Setenv(k, v)
				}
				rt := start(t, c.options...)
				in := map[string]string{
					"traceparent": "00-" + traceID + "-" + spanID + flags, "tracestate": "vendor=1",
					"baggage": "tenant=a", "x-correlation-id": "0197e3a0-0000-7000-8000-000000000001",
				}
				compare := func(transport string, got func(string) string) {
					for k, want := range in {
						if got := got(k); !strings.Contains(got, want) || k != "baggage" && got != want {
							t.Errorf("%s: %s is %q, want %q", transport, k, got, want)
						}
					}
				}
				headers := through(t, rt, in)
				compare("http", headers.Get)
				for _, protocol := range []string{"grpc", "kafka"} {
					out := propagation.MapCarrier{}
					ctx, h := rt.Telemetry.Core().Begin(t.Context(), adapter.Incoming{
						Protocol: protocol, Operation: "x", Carrier: propagation.MapCarrier(in), Async: protocol == "kafka", SpanKind: trace.SpanKindServer,
					})
					ctx, call := rt.Telemetry.Core().BeginCall(ctx, adapter.Outgoing{
						Dependency: hop.Dependency{Name: "next", Kind: hop.KindHTTP}, Async: protocol == "kafka", SpanKind: trace.SpanKindClient,
					})
					call.Inject(ctx, out)
					call.End(adapter.Outcome{})
					h.End(adapter.Outcome{})
					compare(protocol, out.Get)
				}
			})
		}
	}
}

// A span that asks for a trace of its own gets one.
func TestPassThroughStartsARoot(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	rt := start(t)
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
	_, s := rt.TracerProvider.Tracer("x").Start(ctx, "y", trace.WithNewRoot())
	defer s.End()
	if sc := s.SpanContext(); !sc.IsValid() || sc.TraceID() == (trace.TraceID{1}) {
		t.Errorf("the span is of trace %s", sc.TraceID())
	}
}

// A list of exporters is honoured as a whole: the span goes to the collector and to the
// console, whose lines are whole beside the log's.
func TestListOfExporters(t *testing.T) {
	collector := newCollector(t, http.StatusOK)
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp, console")
	t.Setenv("OTEL_METRICS_EXPORTER", "console,otlp")
	t.Setenv("OTEL_LOGS_EXPORTER", "console,otlp")
	var out bytes.Buffer // not safe for concurrent use: the writers take turns
	rt, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(&out))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		_, span := rt.TracerProvider.Tracer("t").Start(t.Context(), "work")
		span.End()
		rt.Logger.Info().Msg("line")
	}
	if err := rt.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	paths := strings.Join(collector.paths(), " ")
	for _, signal := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
		if !strings.Contains(paths, signal) {
			t.Errorf("nothing was sent to %s", signal)
		}
	}
	var spans, lines, metrics int
	dec := json.NewDecoder(&out)
	for {
		var doc map[string]any
		err := dec.Decode(&doc)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the output is not whole lines: %v", err)
		}
		switch {
		case doc["SpanContext"] != nil:
			spans++
		case doc["ScopeMetrics"] != nil:
			metrics++
		case doc["message"] != nil:
			lines++
		}
	}
	if spans != 20 || lines != 20 || metrics != 1 {
		t.Errorf("%d spans, %d lines, %d metrics, want 20, 20, 1", spans, lines, metrics)
	}
}
