package diagnose

import (
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/explain"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// explainEntry adds exemplars, attributes and quotes to the findings of one entry, from
// its traces. entry is Finding.Entry.
func (d *Diagnosis) explainEntry(entry string, slow, failed, normal []trace.Trace) {
	part := d.result
	part.Findings = nil
	var at []int
	for i, f := range d.result.Findings {
		if f.Entry == entry {
			part.Findings, at = append(part.Findings, f), append(at, i)
		}
	}
	explain.Latency(&part, slow, normal)
	explain.Quotes(part.Findings, slow, failed, normal)
	for i, f := range part.Findings {
		d.result.Findings[at[i]] = f
	}
}

// explainOtherEntries does the same for the findings of other entries.
func (d *Diagnosis) explainOtherEntries() {
	done := []string{""}
	for _, f := range d.result.Findings {
		if slices.Contains(done, f.Entry) {
			continue
		}
		done = append(done, f.Entry)
		for _, e := range d.result.OtherEntries {
			if e.Operation != f.Entry || e.Flow != "" {
				continue
			}
			base, now := d.sample.During(e, d.result.BaselineRanges()), d.sample.During(e, []result.Range{d.result.Window})
			border := sample.Border(base, now)
			failed, slow, normal := now.Traces(border)
			_, _, before := base.Traces(border)
			d.explainEntry(f.Entry, slow, failed, append(normal, before...))
		}
	}
}

// explainCompared adds quotes to findings that only a comparison of two windows has
// made. What they changed need not be slow, so all requests of now are compared with
// those of before.
func (d *Diagnosis) explainCompared(found []result.Finding) {
	for i := range found {
		if len(found[i].Exemplars) == 0 && len(found[i].Quotes) == 0 {
			explain.Quotes(found[i:i+1], d.now, nil, d.before)
		}
	}
}

// LogTraces identifies traces whose log lines may explain a result.
type LogTraces struct {
	IDs      []string
	From, To time.Time // within which they began
}

// LogTraces returns slow or failed traces of the entry, and ordinary ones, of those
// that explain the result.
func (d *Diagnosis) LogTraces() (slow, ordinary LogTraces) { return d.slowLogs, d.ordinaryLogs }

// AddLogs adds the log lines of the traces of LogTraces as quotes.
func (d *Diagnosis) AddLogs(slow, ordinary []explain.LogLine) {
	explain.Logs(d.result.Findings, slow, ordinary, len(d.slowLogs.IDs), len(d.ordinaryLogs.IDs))
}

// maxLogTraces is the number of traces of either kind whose log lines are asked for.
const maxLogTraces = 10

// noteLogTraces keeps some traces for LogTraces.
func (d *Diagnosis) noteLogTraces(slow, failed, ordinary []trace.Trace) {
	some := func(traces []trace.Trace) (out LogTraces) {
		for _, t := range traces[:min(len(traces), maxLogTraces)] {
			from, to := t.Bounds()
			if len(out.IDs) == 0 || from.Before(out.From) {
				out.From = from
			}
			if to.After(out.To) {
				out.To = to
			}
			out.IDs = append(out.IDs, t.ID)
		}
		return out
	}
	first := failed
	if d.result.Errors == nil {
		first = slow
	}
	d.slowLogs, d.ordinaryLogs = some(first), some(ordinary)
}
