package diagnose

import (
	"fmt"
	"math"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// view summarizes the diagnosis of one kind of evidence.
type view struct {
	verdict, why string
	entry        string        // operation
	entries      []string      // operations with requests, of which the verdict is about entry
	known        bool          // the evidence knows of requests
	hard         bool          // the evidence shows a deviation, certain or not
	from         time.Time     // start of the present level
	until        time.Time     // end of the evidence
	step         time.Duration // of its series
	figures      string        // the means, in words
	chosen       bool          // traces were chosen by duration or errors
}

// Left reports whether the latency or the failure ratio of an entry has left its
// baseline, whatever the verdict.
func (d *Diagnosis) Left() bool {
	return d.grounds.raised || d.grounds.failing || d.grounds.stall != nil && d.grounds.stall.verdict != result.Unsure
}

// view returns what the diagnosis says.
func (d *Diagnosis) view(what string) view {
	r := d.Result()
	g := d.grounds
	return view{verdict: r.Verdict, why: r.Why, entry: r.Entry.Operation, entries: d.entries(), known: (g.known || d.Left()) && (g.requests > 0 || d.Left()), hard: d.Left() || g.stall != nil || g.doubt != "" || g.tailDoubt != "" || g.alert != "" || g.ended != "" || g.failDoubt != "",
		from: r.Window.From, until: d.until, step: g.step,
		figures: fmt.Sprintf("%s by %s (%d requests)", means(r), what, r.Requests.Baseline+r.Requests.Now)}
}

// entries returns the operations of the entries that had requests.
func (d *Diagnosis) entries() (out []string) {
	m := d.evidence.Metrics
	if d.sample != nil {
		m = d.sample.Series()
	}
	for _, e := range m.Entries {
		if evidence.Steps(0, m.Steps).Sum(e.Count) > 0 {
			out = append(out, e.Operation)
		}
	}
	return out
}

// means returns the means of a result in words.
func means(r result.Result) string {
	if r.Verdict == result.None || r.AddedMS == 0 {
		return fmt.Sprintf("%.0f ms", r.NowMS)
	}
	return fmt.Sprintf("%.0f -> %.0f ms", r.BaselineMS, r.NowMS)
}

// Reconcile returns the diagnosis that decides: that of the metrics or that of a sample
// of traces from the same time. Its result holds the verdict on both, and states which
// decided. Warnings name disagreements.
func Reconcile(metrics, traces *Diagnosis) *Diagnosis {
	m, t := metrics.view("the metrics"), traces.view("traces")
	warnings := agreement(metrics, traces, &t)
	byTraces, verdict, why, decidedBy := reconcile(m, t)
	chosen := metrics
	if byTraces {
		chosen = traces
		unspanned(metrics.evidence.Metrics, &chosen.result)
	}
	if m.known && m.entry == t.entry && m.verdict != t.verdict && verdict == result.Unsure && t.verdict != result.Unsure {
		warnings = append(warnings, fmt.Sprintf("metrics and traces disagree about %s: %s, %s", m.entry, m.figures, t.figures))
	}
	chosen.grounds.reconciled, chosen.grounds.decidedBy = &decision{verdict, why}, decidedBy
	chosen.result.ResolutionS = metrics.result.ResolutionS
	chosen.result.Warnings = append(chosen.result.Warnings, warnings...)
	chosen.result.Recent = both(metrics.result.Recent, traces.result.Recent)
	return chosen
}

// both returns the counts of two kinds of evidence together.
func both(metrics, traces *result.Recent) *result.Recent {
	if metrics == nil || traces == nil {
		if metrics != nil {
			return metrics
		}
		return traces
	}
	r := *metrics
	r.Traces, r.AgeS = traces.Traces, math.Min(metrics.AgeS, traces.AgeS)
	return &r
}

// Traces of a time that both kinds of evidence cover were chosen if their mean is
// chosenRatio times that of the metrics, beyond chosenZ standard errors.
const (
	chosenRatio = 1.5
	chosenZ     = 4.0
)

// agreement compares traces with the metrics of the same entry and time. If the traces
// are slower or fail more often, it sets t.chosen and returns a warning.
func agreement(metrics, traces *Diagnosis, t *view) []string {
	m, s := metrics.evidence.Metrics, traces.sample.Series()
	for _, a := range s.Entries {
		for _, b := range m.Entries {
			if a.Service != b.Service || a.Operation != b.Operation || b.Flow != "" {
				continue
			}
			ours, theirs := common(s, m), common(m, s)
			mean, least := stats.Spread(a.Sum, a.Count, ours)
			all := theirs.Mean(b.Sum, b.Count)
			if n := ours.Sum(a.Count); n >= stats.MinRequests && all > 0 && mean > chosenRatio*all && mean-all > chosenZ*least {
				t.chosen = true
				return []string{fmt.Sprintf("the traces of %s look chosen by duration: mean %.0f ms in %.0f traces, %.0f ms in the metrics; they do not count as its level",
					a.Operation, 1000*mean, n, 1000*all)}
			}
			x, y := failures(s, a, ours), failures(m, b, theirs)
			if stats.MoreFail(y[0], y[1], x[0], x[1]) {
				t.chosen = true
				return []string{fmt.Sprintf("the traces of %s look chosen by errors: %.0f %% of %.0f traces failed, %.1f %% of the requests in the metrics; they do not count as its level",
					a.Operation, 100*x[0]/x[1], x[1], 100*y[0]/math.Max(y[1], 1))}
			}
		}
	}
	return nil
}

// common returns the steps of m that lie within the time of o.
func common(m, o evidence.Metrics) evidence.Window {
	var out evidence.Window
	for i := range m.Steps {
		if !m.At(i).Before(o.Start) && !m.At(i+1).After(o.At(o.Steps)) {
			out = append(out, i)
		}
	}
	return out
}

// failures returns the failed and all requests of an entry during some steps.
func failures(m evidence.Metrics, e evidence.EntrySeries, w evidence.Window) [2]float64 {
	for _, c := range m.Calls {
		if c.Dependency == "" && c.Service == e.Service && c.Operation == e.Operation {
			return [2]float64{w.Sum(c.Failed), w.Sum(c.Count)}
		}
	}
	return [2]float64{}
}
