package diagnose_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// A flow lasts at least as long as the request that begins it. While it is not sure why the
// request is slower, it is not sure why the flow is, unless the flow is slower by much more.
func TestFlowContainsItsRequest(t *testing.T) {
	const steps, from = 200, 190
	for _, c := range []struct {
		why     string
		since   int     // step from which requests are slower
		request float64 // seconds added to a request
		queue   float64 // seconds added to the queue wait
		verdict string
	}{
		{"the queue alone", from, 0, 2, result.Spike},
		{"the queue, and a little of the request", steps - 2, .3, 2, result.Spike},
		{"the request for two steps, and so the flow", steps - 2, 1.5, .8, result.Unsure},
	} {
		series := func(since int, before, now float64) []float64 {
			v := make([]float64, steps)
			for i := range v {
				if v[i] = before * (1 + .1*float64(i%3)); i >= since {
					v[i] = now
				}
			}
			return v
		}
		const rate = 20
		sync := result.Entry{Service: "gateway", Operation: "POST /checkout"}
		flow := sync
		flow.Flow, flow.Consumer = "async", &result.Consumer{Service: "mail", Operation: "process"}
		request := series(c.since, .03*rate, (.03+c.request)*rate)
		whole := series(from, .06*rate, (.06+c.queue)*rate)
		for i := c.since; i < steps; i++ {
			whole[i] += c.request * rate
		}
		count := series(0, rate, rate)
		m := evidence.Metrics{Start: time.Unix(1e9, 0).UTC(), Step: 2 * time.Second, Steps: steps, Newest: time.Unix(1e9+2*steps, 0).UTC(),
			Entries: []evidence.EntrySeries{{Entry: sync, Sum: request, Count: count}, {Entry: flow, Sum: whole, Count: count}},
			Hops: []evidence.HopSeries{{Service: "gateway", Operation: sync.Operation, Entry: sync.Operation, Flow: "request", Self: request, Duration: request, Count: count},
				{Service: "mail", Operation: "process", Entry: sync.Operation, Flow: "async", Self: series(0, 0, 0), Duration: series(0, .2, .2), Count: count}},
			Queues: []evidence.QueueSeries{{Service: "mail", Operation: "process", Entry: sync.Operation, Sum: series(from, .02*rate, (.02+c.queue)*rate)}}}
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result()
		if r.Verdict != c.verdict || c.verdict == result.Unsure && !strings.Contains(r.Why, sync.Operation) {
			t.Errorf("%s: %s (%s) %+v %+v, want %s", c.why, r.Verdict, r.Why, r.Entry, r.Findings, c.verdict)
		}
	}
}
