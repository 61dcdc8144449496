package collect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// Services without our middleware: metrics say that there is a spike, traces
// where; the shape of the result is the same. Both operations are slower, and
// only traces know which of them is the edge.
func TestPlainOtelhttp(t *testing.T) {
	shop, now := world()
	prom := promtest.Serve(t, shop.Began, now, shop.RED()...)
	jaeger := jaegertest.Serve(t, requests(shop, now)...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	if res.Verdict != result.Spike || res.Entry.Service != "gateway" || res.Entry.Operation != "POST /pay" || len(res.Findings) == 0 {
		t.Fatalf("%s at %+v (%s): %+v", res.Verdict, res.Entry, res.Why, res.Findings)
	}
	f := res.Findings[0]
	if f.Hop != "payment" || f.Kind != result.KindSelf || f.Operation != "POST /charge" || f.Share < .95 || f.Interval[0] < .9 || len(f.Exemplars) != 3 || f.Rank != 1 {
		t.Errorf("first is %+v", f)
	}
	if res.P95.BaselineMS == 0 || res.P95.NowMS < 300 {
		t.Errorf("p95 %+v, want it from the histogram of the semantic conventions", res.P95)
	}
	if len(f.Attributes) == 0 || f.Attributes[0].Value != "eu" {
		t.Errorf("attributes %+v", f.Attributes)
	}
}

func TestPlainOtelhttpWithoutTraces(t *testing.T) {
	shop, now := world()
	prom := promtest.Serve(t, shop.Began, now, shop.RED()...)
	res := run(t, collect.Config{Prometheus: prom.URL, Entry: "POST /pay"})
	if res.Verdict != result.Unsure || !strings.Contains(res.Why, "traces have to tell") || res.AddedMS < 250 {
		t.Errorf("%s (%s) +%.0f ms; want the spike, and that no hop can be named", res.Verdict, res.Why, res.AddedMS)
	}
	shop.Slow = 0
	prom = promtest.Serve(t, shop.Began, now, shop.RED()...)
	if res := run(t, collect.Config{Prometheus: prom.URL}); res.Verdict != result.None {
		t.Errorf("%s (%s) without a fault", res.Verdict, res.Why)
	}
}

// Failures are found by status where there is no error_type, and placed by
// traces where clients know hosts only.
func TestPlainOtelhttpFailures(t *testing.T) {
	shop, now := world()
	shop.Slow = 0
	targets := shop.RED()
	for i, route := range []string{"/pay", "/charge"} {
		targets[i].Counters = append(targets[i].Counters, promtest.Counter{Name: "http_server_request_duration_seconds_count",
			Labels: map[string]string{"http_request_method": "POST", "http_route": route, "http_response_status_code": "503"},
			At:     func(at time.Time) float64 { return 6 * max(at.Sub(shop.Onset).Seconds(), 0) }})
	}
	traces := requests(shop, now)
	for i, tr := range traces {
		if tr.Spans[0].Start.After(shop.Onset) && i%3 == 0 {
			for j := range tr.Spans {
				tr.Spans[j].Failed, tr.Spans[j].Attributes = true, map[string]string{"error": "true", "error.type": "503"}
			}
		}
	}
	prom, jaeger := promtest.Serve(t, shop.Began, now, targets...), jaegertest.Serve(t, traces...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL, Entry: "POST /pay"})
	if res.Verdict != result.Errors || len(res.Findings) == 0 || res.Findings[0].Hop != "payment" || res.Findings[0].Kind != result.KindErrors || len(res.Findings[0].Exemplars) != 3 {
		t.Errorf("%s (%s): %+v", res.Verdict, res.Why, res.Findings)
	}
}
