package counters_test

import (
	"math"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

func clientOf(t *testing.T, srv *httptest.Server) *prometheus.Client {
	t.Helper()
	c, err := prometheus.New(srv.URL, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// steps returns a counter with one value every two seconds. NaN stands for a missing
// sample.
func steps(values ...float64) func(time.Time) float64 {
	return func(at time.Time) float64 {
		if i := int(at.Sub(began) / (2 * time.Second)); i < len(values) {
			return values[i]
		}
		return math.NaN()
	}
}

// hopCounters returns three families of a hop with the same values.
func hopCounters(service, operation, entry string, at func(time.Time) float64) []promtest.Counter {
	l := map[string]string{"service_name": service, "operation": operation, "entry": entry, "flow": "request", "protocol": "http"}
	return []promtest.Counter{{Name: "hop_self_duration_seconds_sum", Labels: l, At: at},
		{Name: "hop_duration_seconds_sum", Labels: l, At: at}, {Name: "hop_duration_seconds_count", Labels: l, At: at}}
}

func target(instance string, counters ...[]promtest.Counter) promtest.Target {
	t := promtest.Target{Job: "shop", Instance: instance, Every: 2 * time.Second}
	for _, c := range counters {
		t.Counters = append(t.Counters, c...)
	}
	return t
}

func TestGrowthOfCounters(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name, why string
		targets   []promtest.Target
		want      []float64 // requests of payment in each of four steps
	}{
		{"restart of one replica", "the others must not count what they did in their whole lives", []promtest.Target{
			target("payment-1", hopCounters("payment", "Charge", "POST /pay", steps(1000, 1001, 1002, 1003, 1004))),
			target("payment-2", hopCounters("payment", "Charge", "POST /pay", steps(1000, 1001, 1002, 1003, 1004))),
			target("payment-3", hopCounters("payment", "Charge", "POST /pay", steps(1000, 1001, .5, 1.5, 2.5)))},
			[]float64{3, 2.5, 3, 3}},
		{"first seen", "a target that is scraped for the first time brings the work of its lifetime, which is no growth", []promtest.Target{
			target("payment-1", hopCounters("payment", "Charge", "POST /pay", steps(1000, 1001, 1002, 1003, 1004))),
			target("payment-2", hopCounters("payment", "Charge", "POST /pay", steps(nan, nan, 5000, 5001, 5002)))},
			[]float64{1, 1, 2, 2}},
		{"new series of a known target", "it has been counting from zero since the scrape before", []promtest.Target{
			target("payment-1", hopCounters("gateway", "POST /pay", "POST /pay", steps(1000, 1001, 1002, 1003, 1004)),
				hopCounters("payment", "Charge", "POST /pay", steps(nan, nan, 7, 8, 9)))},
			[]float64{0, 7, 1, 1}},
		{"a scrape that failed", "what was done meanwhile is not lost", []promtest.Target{
			target("payment-1", hopCounters("payment", "Charge", "POST /pay", steps(1000, 1002, nan, 1006, 1008)))},
			[]float64{2, 2, 2, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			end := began.Add(8 * time.Second)
			srv := promtest.Serve(t, began, end, c.targets...)
			ev, _, err := counters.Read(t.Context(), clientOf(t, srv), began.Add(-time.Second), end, counters.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if ev.Steps != 4 || !ev.Start.Equal(began) {
				t.Fatalf("%d steps from %s: the newest must be read, and the first begin with the first scrape", ev.Steps, ev.Start)
			}
			for _, h := range ev.Hops {
				if h.Service != "payment" {
					continue
				}
				for i, v := range h.Count {
					if math.Abs(v-c.want[i]) > 1e-9 {
						t.Errorf("%s: step %d has %v requests, want %v (all: %v)", c.why, i, v, c.want[i], h.Count)
					}
				}
			}
		})
	}
}

// An operation behind the edge is not an entry, even if it has the name of one.
func TestEntries(t *testing.T) {
	at := steps(0, 1, 2, 3, 4)
	wait := promtest.Counter{Name: "hop_wait_duration_seconds_sum", At: at, Labels: map[string]string{"service_name": "gateway",
		"operation": "GET /orders", "entry": "GET /orders", "flow": "request", "dependency": "order", "dependency_kind": "http"}}
	end := began.Add(8 * time.Second)
	srv := promtest.Serve(t, began, end, target("a", hopCounters("gateway", "GET /orders", "GET /orders", at), []promtest.Counter{wait},
		hopCounters("order", "GET /orders", "GET /orders", at), hopCounters("gateway", "_OTHER", "_OTHER", at), hopCounters("gateway", "GET /", "", at)))
	ev, _, err := counters.Read(t.Context(), clientOf(t, srv), began, end, counters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(ev.Entries) != 1 || ev.Entries[0].Service != "gateway" || ev.Entries[0].Operation != "GET /orders" {
		t.Fatalf("entries %+v, want only the gateway's", ev.Entries)
	}
	if n := ev.Entries[0].Count[1]; n != 1 {
		t.Errorf("%v requests a step, want the gateway's one and not order's, too", n)
	}
}

// Two libraries spell the bound of a bucket differently.
func TestP95OfTwoSpellings(t *testing.T) {
	end := began.Add(300 * time.Second)
	bucket := func(pod, le string, perSecond float64) promtest.Counter {
		return promtest.Counter{Name: "hop_duration_seconds_bucket", Labels: map[string]string{
			"service_name": "gateway", "operation": "GET /", "entry": "GET /", "flow": "request", "pod": pod, "le": le},
			At: func(at time.Time) float64 { return at.Sub(began).Seconds() * perSecond }}
	}
	srv := promtest.Serve(t, began, end, target("a", []promtest.Counter{
		bucket("a", "1", 10), bucket("a", "2", 10), bucket("a", "+Inf", 10),
		bucket("b", "1.0", 10), bucket("b", "2.0", 10), bucket("b", "+Inf", 10),
	}))
	v, err := counters.P95(t.Context(), clientOf(t, srv), evidence.EntrySeries{Entry: result.Entry{Service: "gateway", Operation: "GET /"}},
		[]result.Range{{From: began.Add(10 * time.Second), To: end}})
	if err != nil || math.Abs(v-.95) > .01 {
		t.Errorf("p95 %.3f s, %v; want 0.95", v, err)
	}
}

// Requests without a route are an entry of their own, and the 95th percentile of that
// entry is not one of all routes.
func TestP95WithoutRoute(t *testing.T) {
	end := began.Add(300 * time.Second)
	var all []promtest.Counter
	add := func(name string, perSecond float64, more ...string) {
		l := map[string]string{"service_name": "web", "http_request_method": "GET"}
		for i := 0; i < len(more); i += 2 {
			l[more[i]] = more[i+1]
		}
		all = append(all, promtest.Counter{Name: "http_server_request_duration_seconds_" + name, Labels: l,
			At: func(at time.Time) float64 { return at.Sub(began).Seconds() * perSecond }})
	}
	add("sum", .5)
	add("count", 10)
	for le, n := range map[string]float64{"0.1": 10, "1": 10, "10": 10, "+Inf": 10} {
		add("bucket", n, "le", le)
	}
	add("sum", 50, "http_route", "/slow")
	add("count", 10, "http_route", "/slow")
	for le, n := range map[string]float64{"0.1": 0, "1": 0, "10": 10, "+Inf": 10} {
		add("bucket", n, "le", le, "http_route", "/slow")
	}
	c := clientOf(t, promtest.Serve(t, began, end, target("a", all)))
	ev, _, err := counters.Read(t.Context(), c, began.Add(10*time.Second), end, counters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"GET": .095, "GET /slow": 9.55}
	for _, e := range ev.Entries {
		v, err := counters.P95(t.Context(), c, e, []result.Range{{From: began.Add(10 * time.Second), To: end}})
		if err != nil || math.Abs(v-want[e.Operation]) > .01*want[e.Operation] {
			t.Errorf("p95 of %s is %.3f s, %v; want %.3f", e.Operation, v, err, want[e.Operation])
		}
		delete(want, e.Operation)
	}
	if len(want) > 0 {
		t.Errorf("no entry %v", want)
	}
}

// The 95th percentile covers one service's entry, over the ranges of the baseline
// without the earlier spike between them.
func TestP95(t *testing.T) {
	bucket := func(service, le string, at func(time.Time) float64) promtest.Counter {
		return promtest.Counter{Name: "hop_duration_seconds_bucket", At: at, Labels: map[string]string{
			"service_name": service, "operation": "GET /", "entry": "GET /", "flow": "request", "le": le}}
	}
	from := func(second, perSecond float64) func(time.Time) float64 {
		return func(at time.Time) float64 { return max(at.Sub(began).Seconds()-second, 0) * perSecond }
	}
	end := began.Add(300 * time.Second)
	spike := func(at time.Time) float64 { // no fast requests between 100 and 200 s
		s := at.Sub(began).Seconds()
		return 10 * (min(s, 100) + max(s-200, 0))
	}
	srv := promtest.Serve(t, began, end, target("a", []promtest.Counter{
		bucket("gateway", "0.1", spike), bucket("gateway", "1", from(0, 10)), bucket("gateway", "+Inf", from(0, 10)),
		bucket("other", "0.1", from(1000, 0)), bucket("other", "1", from(0, 1000)), bucket("other", "+Inf", from(0, 1000)),
	}))
	part := func(from, to time.Duration) result.Range {
		return result.Range{From: began.Add(from), To: began.Add(to)}
	}
	p95 := func(parts ...result.Range) float64 {
		v, err := counters.P95(t.Context(), clientOf(t, srv), evidence.EntrySeries{Entry: result.Entry{Service: "gateway", Operation: "GET /"}}, parts)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := p95(part(10*time.Second, 90*time.Second), part(210*time.Second, 290*time.Second)); math.Abs(v-.095) > .001 {
		t.Errorf("p95 %.3f s, want 0.095", v)
	}
	if v := p95(part(110*time.Second, 190*time.Second)); v < .9 {
		t.Errorf("p95 of the spike %.3f s, want 0.955", v)
	}
	if v := p95(part(-90*time.Second, -10*time.Second)); !math.IsNaN(v) {
		t.Errorf("p95 %v of no requests", v)
	}
}
