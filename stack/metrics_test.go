package stack_test

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// metricsOf returns a request with a histogram per temporality and kind, as SDKs send them.
func metricsOf(service string, at time.Time, n uint64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", service)
	rm.Resource().Attributes().PutStr("host.name", "h1")
	rm.Resource().Attributes().PutInt("process.pid", 42)
	sm := rm.ScopeMetrics().AppendEmpty()
	add := func(name string) pmetric.Metric {
		m := sm.Metrics().AppendEmpty()
		m.SetName(name)
		m.SetUnit("s")
		return m
	}
	now, began := pcommon.NewTimestampFromTime(at), pcommon.NewTimestampFromTime(at.Add(-time.Second))
	h := add("http.server.request.duration").SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := h.DataPoints().AppendEmpty()
	p.SetTimestamp(now)
	p.SetStartTimestamp(began)
	p.Attributes().PutStr("http.route", "/x")
	p.ExplicitBounds().FromRaw([]float64{0.1, 1})
	p.BucketCounts().FromRaw([]uint64{n, 0, 0})
	p.SetCount(n)
	p.SetSum(float64(n) * 0.05)

	d := add("rpc.server.call.duration").SetEmptyHistogram()
	d.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	p = d.DataPoints().AppendEmpty()
	p.SetTimestamp(now)
	p.SetStartTimestamp(began)
	p.ExplicitBounds().FromRaw([]float64{0.1, 1})
	p.BucketCounts().FromRaw([]uint64{5, 0, 0})
	p.SetCount(5)
	p.SetSum(0.25)

	e := add("messaging.process.duration").SetEmptyExponentialHistogram()
	e.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	x := e.DataPoints().AppendEmpty()
	x.SetTimestamp(now)
	x.SetStartTimestamp(began)
	x.SetScale(3)
	x.Positive().SetOffset(-10)
	x.Positive().BucketCounts().FromRaw([]uint64{n})
	x.SetCount(n)
	x.SetSum(float64(n) * 0.4)
	return md
}

// TestMetricsOverOTLP stores cumulative, delta and exponential histograms from both
// transports.
func TestMetricsOverOTLP(t *testing.T) {
	s := start(t, stack.Config{Parts: []stack.Part{stack.OTLP, stack.Prometheus}})
	began := time.Now().Add(-2 * time.Second)
	body, err := pmetricotlp.NewExportRequestFromMetrics(metricsOf("py", began, 3)).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(s.Endpoints()[endpoint.OTLPHTTP]+"/v1/metrics", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("HTTP: %s", resp.Status)
	}
	u, _ := url.Parse(s.Endpoints()[endpoint.OTLPGRPC])
	conn, err := grpc.NewClient(u.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer, err := pmetricotlp.NewGRPCClient(conn).Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(metricsOf("py", began.Add(time.Second), 7)))
	if err != nil || answer.PartialSuccess().RejectedDataPoints() != 0 {
		t.Fatalf("gRPC: %v, %s", err, answer.PartialSuccess().ErrorMessage())
	}
	for expr, want := range map[string]string{
		`http_server_request_duration_seconds_bucket{service_name="py",http_route="/x",le="0.1",service_instance_id="h1:42",job="py"}`: `"7"`,
		`rpc_server_call_duration_seconds_count{service_name="py"}`:                                                                    `"10"`,
		`histogram_count(messaging_process_duration_seconds{service_name="py"})`:                                                       `"7"`,
		`otelcol_receiver_accepted_metric_points{transport="grpc"}`:                                                                    `"3"`,
	} {
		eventually(t, query(s, expr), want)
	}
}

func query(s *stack.Stack, expr string) string {
	return s.Endpoints()[endpoint.Prometheus] + "/api/v1/query?query=" + url.QueryEscape(expr)
}

// TestSpansOnly gives metrics to a service that sends nothing but spans, and none to one
// that reports its own.
func TestSpansOnly(t *testing.T) {
	s := start(t, stack.Config{Parts: []stack.Part{stack.OTLP, stack.Jaeger, stack.Prometheus}})
	sendGRPC(t, s.Endpoints()[endpoint.OTLPGRPC], rpcOf(1, "quiet"))
	for expr, want := range map[string]string{
		`hop_self_duration_seconds_count{service_name="quiet",source="spans",entry="a.B/C"}`: `"1"`,
		`rpc_server_call_duration_seconds_count{service_name="quiet",source="spans"}`:        `"1"`,
		`traces_span_metrics_calls_total{service_name="quiet",span_kind="SPAN_KIND_SERVER"}`: `"1"`,
		`histogram_count(hop_duration_seconds{service_name="quiet",operation="a.B/C"})`:      `"1"`,
		`sum(rate(tenhop_spanmetrics_spans_total[1m])) >= bool 0`:                            `"1"`,
		`hop_duration_seconds_bucket{service_name="quiet"}`:                                  `"1"`,
	} {
		eventually(t, query(s, expr), want)
	}

	body, err := pmetricotlp.NewExportRequestFromMetrics(metricsOf("loud", time.Now(), 1)).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(s.Endpoints()[endpoint.OTLPHTTP]+"/v1/metrics", "application/x-protobuf", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	eventually(t, query(s, `rpc_server_call_duration_seconds_count{service_name="loud"}`), `"loud"`)
	sendGRPC(t, s.Endpoints()[endpoint.OTLPGRPC], rpcOf(2, "loud"))
	eventually(t, query(s, `hop_self_duration_seconds_count{service_name="loud"}`), `"loud"`) // it reports no self time
	_, answer := get(t, query(s, `rpc_server_call_duration_seconds_count{service_name="loud",source="spans"}`))
	if strings.Contains(answer, `"loud"`) {
		t.Errorf("the RPCs of a service that reports them are counted twice: %s", answer)
	}
}

func rpcOf(id byte, service string) ptrace.Traces {
	td := traceOf(id, service, "a.B/C")
	attrs := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes()
	attrs.PutStr("rpc.system", "grpc")
	attrs.PutStr("rpc.service", "a.B")
	attrs.PutStr("rpc.method", "C")
	return td
}
