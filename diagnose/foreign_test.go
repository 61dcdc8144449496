package diagnose_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// The wait for a service that sends spans but reports no self time is its own time if its
// spans are as long, and that of the link if they are short.
func TestForeignOnLink(t *testing.T) {
	const step, n, rate, since = 2 * time.Second, 90, 20., 80
	start := time.Unix(1_700_000_000, 0)
	series := func(usual, now float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = rate * usual * (1 + .1*float64(i%3))
			if i >= since {
				out[i] = rate * now
			}
		}
		return out
	}
	for _, c := range []struct {
		why       string
		took      time.Duration // span of the foreign service
		calls     int           // to it, of each request now
		alsoList  bool          // the link to another callee is slow, too
		kind, hop string
		eitherEnd bool
	}{
		{"its spans are as long", 198 * time.Millisecond, 1, false, result.KindSelf, "old", false},
		{"its spans are short", time.Millisecond, 1, false, result.KindLink, "old", true},
		{"it is called more often", time.Millisecond, 10, false, result.KindSelf, "old", false},
		{"another link of the caller is slow as well", time.Millisecond, 1, true, result.KindLink, "edge", false},
	} {
		list := .004
		if c.alsoList {
			list = .104
		}
		m := evidence.Metrics{Start: start, Step: step, Steps: n, Newest: start.Add(n * step), Foreign: map[string]bool{"old": true}}
		total, count := series(.015, .205+list), make([]float64, n)
		for i := range count {
			count[i] = rate
		}
		m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "edge", Operation: "GET /"}, Sum: total, Count: count}}
		m.Hops = []evidence.HopSeries{
			{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Self: series(.003, .003), Duration: total, Count: count},
			{Service: "list", Operation: "Get", Entry: "GET /", Flow: "request", Self: series(.003, .003), Duration: series(.003, .003), Count: count},
		}
		m.Waits = []evidence.WaitSeries{
			{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Dependency: "old", Kind: "http", Sum: series(.002, .2)},
			{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Dependency: "list", Kind: "grpc", Sum: series(.004, list)},
		}
		d := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{})
		var traces diagnose.Traces
		sampled := func(from time.Time, calls int, took, each time.Duration) (out []trace.Trace) {
			for i := range 20 {
				at := from.Add(time.Duration(i) * 100 * time.Millisecond)
				span := func(id, parent, service, operation string, kind trace.Kind, from, took time.Duration) trace.Span {
					return trace.Span{ID: id, Parent: parent, Service: service, Operation: operation, Kind: kind, Start: at.Add(from), Duration: took}
				}
				spans := []trace.Span{span("1", "", "edge", "GET /", trace.Server, 0, time.Duration(calls)*each+9*time.Millisecond)}
				for k := range calls {
					begin, id := time.Duration(k)*each+time.Millisecond, fmt.Sprint(2*k+2)
					spans = append(spans, span(id, "1", "edge", "GET", trace.Client, begin, each),
						span(fmt.Sprint(2*k+3), id, "old", "GET /points", trace.Server, begin, min(took, each)))
				}
				out = append(out, trace.Trace{ID: fmt.Sprint(from.Unix(), i), Spans: spans})
			}
			return out
		}
		traces.Before = sampled(m.At(20), 1, time.Millisecond, 2*time.Millisecond)
		traces.Now = sampled(m.At(since+1), c.calls, c.took, 200*time.Millisecond/time.Duration(c.calls))
		d.AddTraces(traces)
		r := d.Result()
		if len(r.Findings) == 0 {
			t.Fatalf("%s: %s %s, no findings", c.why, r.Verdict, r.Why)
		}
		f := r.Findings[0]
		if r.Verdict != result.Spike || f.Kind != c.kind || f.Hop != c.hop || f.EitherEnd != c.eitherEnd {
			t.Errorf("%s: %s %s, %s %s %s, either end %v (%s)", c.why, r.Verdict, r.Why, f.Hop, f.Kind, f.Target, f.EitherEnd, f.Evidence)
		}
		if c.alsoList && !strings.Contains(f.Evidence, "list") {
			t.Errorf("%s: %s", c.why, f.Evidence)
		}
	}
}
