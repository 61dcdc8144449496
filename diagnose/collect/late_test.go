package collect_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/trace"
)

// quietTraces returns traces of ordinary requests.
func quietTraces() ([]trace.Trace, time.Time) {
	shop, now := world()
	shop.Onset = now
	return requests(shop, now), now
}

// lose removes the spans of payment from the newest traces.
func lose(traces []trace.Trace, newest int) {
	for i := len(traces) - newest; i < len(traces); i++ {
		traces[i].Spans = traces[i].Spans[:1]
	}
}

// The newest spans of one service are on their way. Nothing else differs, and nothing
// else is said.
func TestLateSpans(t *testing.T) {
	all, _ := quietTraces()
	lose(all, 8)
	res := run(t, collect.Config{Traces: []string{file(t, all[200:])}, Before: []string{file(t, all[:200])}})
	if res.Verdict != result.None || res.IncompleteTraces != 8 {
		t.Errorf("%s (%s), %d incomplete, %+v", res.Verdict, res.Why, res.IncompleteTraces, res.Findings)
	}
	res = run(t, collect.Config{Jaeger: jaegertest.Serve(t, all...).URL})
	if res.Verdict == result.Spike || res.IncompleteTraces == 0 {
		t.Errorf("live: %s (%s), %d incomplete, %+v", res.Verdict, res.Why, res.IncompleteTraces, res.Findings)
	}
}

// With Config.Entry, two files are compared by the traces of that entry.
func TestBeforeOfOneEntry(t *testing.T) {
	all, _ := quietTraces()
	other := func(traces []trace.Trace, slower time.Duration) []trace.Trace {
		out := slices.Clone(traces)
		for i, tr := range traces {
			if i%2 == 0 {
				out[i].Spans = slices.Clone(tr.Spans[:1])
				out[i].Spans[0].Operation = "GET /other"
				out[i].Spans[0].Duration += slower
			}
		}
		return out
	}
	before, now := file(t, other(all[:130], 0)), file(t, other(all[130:], 300*time.Millisecond))
	if res := run(t, collect.Config{Traces: []string{now}, Before: []string{before}}); res.Verdict != result.Spike {
		t.Errorf("all entries: %s (%s)", res.Verdict, res.Why)
	}
	if res := run(t, collect.Config{Traces: []string{now}, Before: []string{before}, Entry: "POST /pay"}); res.Verdict != result.None {
		t.Errorf("the ordinary entry: %s (%s), %+v", res.Verdict, res.Why, res.Findings)
	}
}

// One clock that is a year off costs one trace, and the answer says so.
func TestWrongClock(t *testing.T) {
	shop, now := world()
	all := requests(shop, now)
	for j := range all[9].Spans {
		all[9].Spans[j].Start = all[9].Spans[j].Start.AddDate(-1, 0, 0)
	}
	res := run(t, collect.Config{Traces: []string{file(t, all)}})
	checkPayment(t, res)
	if len(res.Warnings) != 1 {
		t.Errorf("warnings %q", res.Warnings)
	}
}
