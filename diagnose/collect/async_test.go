package collect_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/trace"
)

// An asynchronous flow has a p95 of its own, that of its completion, and slow
// traces of its own: those in which the consumer was done late, however fast the
// entry's span was.
func TestAsyncFlow(t *testing.T) {
	shop, now := world()
	shop.Slow = 0
	targets := shop.Targets()
	const rate = 20.0
	grow := func(before, then float64) func(time.Time) float64 {
		return func(at time.Time) float64 {
			return 100 + before*at.Sub(shop.Began).Seconds() + (then-before)*max(at.Sub(shop.Onset).Seconds(), 0)
		}
	}
	hop := map[string]string{"service_name": "shipping", "operation": "process orders", "entry": "POST /pay", "flow": "async", "protocol": "kafka"}
	flow := map[string]string{"service_name": "shipping", "operation": "process orders", "entry": "POST /pay"}
	bucket := func(le string, at func(time.Time) float64) promtest.Counter {
		l := map[string]string{"le": le}
		for k, v := range flow {
			l[k] = v
		}
		return promtest.Counter{Name: "hop_completion_duration_seconds_bucket", Labels: l, At: at}
	}
	targets = append(targets, promtest.Target{Job: "shipping", Instance: "s:1", Every: 2 * time.Second, Counters: []promtest.Counter{
		{Name: "hop_self_duration_seconds_sum", Labels: hop, At: grow(rate*.01, rate*.41)},
		{Name: "hop_duration_seconds_sum", Labels: hop, At: grow(rate*.01, rate*.41)},
		{Name: "hop_duration_seconds_count", Labels: hop, At: grow(rate, rate)},
		{Name: "hop_completion_duration_seconds_sum", Labels: flow, At: grow(rate*.05, rate*.45)},
		{Name: "hop_completion_duration_seconds_count", Labels: flow, At: grow(rate, rate)},
		bucket("0.1", grow(rate, 0)), bucket("0.5", grow(rate, rate)), bucket("+Inf", grow(rate, rate)),
	}})
	var traces []trace.Trace
	slow := map[string]bool{}
	for i := range 200 {
		at := shop.Began.Add(time.Duration(i) * 1350 * time.Millisecond)
		late := time.Duration(0)
		id := fmt.Sprintf("%032x", i)
		if at.After(shop.Onset) && i%2 == 0 {
			late, slow[id] = 400*time.Millisecond, true
		}
		traces = append(traces, trace.Trace{ID: id, Spans: []trace.Span{
			{ID: "1", Service: "gateway", Operation: "POST /pay", Kind: "server", Start: at, Duration: 26 * time.Millisecond},
			{ID: "2", Parent: "1", Service: "shipping", Operation: "process orders", Kind: "consumer", Start: at.Add(30 * time.Millisecond), Duration: 20*time.Millisecond + late},
		}})
	}
	prom, jaeger := promtest.Serve(t, shop.Began, now, targets...), jaegertest.Serve(t, traces...)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL})
	if res.Verdict != result.Spike || res.Entry.Flow != "async" || res.Entry.Consumer == nil || len(res.Findings) == 0 {
		t.Fatalf("%s (%s) at %+v: %+v", res.Verdict, res.Why, res.Entry, res.Findings)
	}
	f := res.Findings[0]
	if f.Hop != "shipping" || f.Kind != result.KindSelf || len(f.Exemplars) != 3 {
		t.Errorf("first is %+v", f)
	}
	for _, id := range f.Exemplars {
		if !slow[id] {
			t.Errorf("trace %s completed in time", id)
		}
	}
	if res.P95.BaselineMS > 100 || res.P95.NowMS < 400 {
		t.Errorf("p95 %+v, want that of the completion", res.P95)
	}
}
