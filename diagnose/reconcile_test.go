package diagnose

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
)

// The rules for metrics and traces that do not say the same.
func TestReconcile(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	metrics := view{verdict: result.Unsure, why: "one scrape every 15s", entry: "GET /", known: true, until: at, step: 15 * time.Second}
	traces := view{verdict: result.Spike, entry: "GET /", known: true, from: at.Add(-20 * time.Second)}
	with := func(v view, change func(*view)) view {
		change(&v)
		return v
	}
	for _, c := range []struct {
		why       string
		m, t      view
		byTraces  bool
		verdict   string
		decidedBy string
	}{
		{"traces are finer than the metrics", metrics, traces, true, result.Spike, result.DecidedByTraces},
		{"metrics know nothing", view{verdict: result.Unsure, why: "no requests"}, traces, true, result.Spike, result.DecidedByTraces},
		{"metrics know nothing, and traces are quiet", view{verdict: result.Unsure}, with(traces, func(v *view) { v.verdict = result.None }), true, result.None, result.DecidedByTraces},
		{"metrics are certain", with(metrics, func(v *view) { v.verdict = result.Spike }), with(traces, func(v *view) { v.verdict = result.None }), false, result.Spike, result.DecidedByMetrics},
		{"the metrics would show what the traces show", metrics, with(traces, func(v *view) { v.from = at.Add(-2 * time.Minute) }), true, result.Unsure, result.DecidedByBoth},
		{"of another entry the metrics say nothing", metrics, with(traces, func(v *view) { v.entry, v.from = "GET /other", at.Add(-2*time.Minute) }), true, result.Spike, result.DecidedByTraces},
		{"traces were chosen by duration", metrics, with(traces, func(v *view) { v.chosen = true }), false, result.Unsure, result.DecidedByMetrics},
		{"both are quiet", metrics, with(traces, func(v *view) { v.verdict = result.None }), false, result.None, result.DecidedByBoth},
		{"traces of another entry are quiet", metrics, with(traces, func(v *view) { v.verdict, v.entry = result.None, "GET /other" }), false, result.Unsure, result.DecidedByMetrics},
		{"traces of this entry and a busier one are quiet", metrics, with(traces, func(v *view) {
			v.verdict, v.entry, v.entries = result.None, "GET /other", []string{"GET /other", "GET /"}
		}), false, result.None, result.DecidedByBoth},
		{"both are quiet, each about another entry", with(metrics, func(v *view) { v.verdict = result.None }), with(traces, func(v *view) { v.verdict, v.entry = result.None, "GET /other" }), false, result.None, result.DecidedByBoth},
		{"metrics rise and traces are quiet", with(metrics, func(v *view) { v.hard = true }), with(traces, func(v *view) { v.verdict = result.None }), false, result.Unsure, result.DecidedByMetrics},
		{"traces rise, metrics cannot tell", metrics, with(traces, func(v *view) { v.verdict, v.hard = result.Unsure, true }), true, result.Unsure, result.DecidedByTraces},
		{"neither can tell", metrics, with(traces, func(v *view) { v.verdict, v.why = result.Unsure, "few" }), false, result.Unsure, result.DecidedByBoth},
		{"metrics can tell and traces are few", with(metrics, func(v *view) { v.verdict = result.None }), with(traces, func(v *view) { v.verdict, v.why = result.Unsure, "few" }), false, result.None, result.DecidedByMetrics},
	} {
		byTraces, verdict, _, decidedBy := reconcile(c.m, c.t)
		if byTraces != c.byTraces || verdict != c.verdict || decidedBy != c.decidedBy {
			t.Errorf("%s: %v %s by %s, want %v %s by %s", c.why, byTraces, verdict, decidedBy, c.byTraces, c.verdict, c.decidedBy)
		}
	}
}
