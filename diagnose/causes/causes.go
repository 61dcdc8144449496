// Package causes names the reason why the hop of a finding is slow or fails.
//
// It reads the cause signals of package signals for the suspects of a finding, before and
// now, and tests which of them moved with the hop: by instance, against the baseline, and
// corrected for the number of signals looked at. A cause is sure only if the size of its
// signal explains the added time. If no signal moved, the cause is unknown, with what was
// looked at.
package causes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// Question is what causes are looked for.
type Question struct {
	Result  *result.Result   // its findings get causes and instances
	Metrics evidence.Metrics // of the same time; may be zero
	Labels  signals.Labels   // label names that differ from the conventions
	Now     time.Time        // end of the time that is looked at
}

// Numbers of findings whose signals are read.
const (
	maxFindings = 5
	maxSpread   = 12 // of a rise that is spread over many
)

// Explain adds causes to the findings of a result, and the instance to those that one of
// several instances carries. A spike without a sure cause becomes unsure if the whole
// machine is busy. A rise that names no hop, or may be chance, becomes a spike if the process
// of exactly one service surely has a cause of its own. It returns the number of series read. On
// an error, findings keep the causes that need no signals.
func Explain(ctx context.Context, c *prometheus.Client, q Question) (int, error) {
	r := q.Result
	structural(q)
	open := func(f result.Finding) bool { return f.Hop != "" && (f.Cause == nil || !final(f.Cause.Kind)) }
	most := maxFindings
	if r.Spread {
		most = maxSpread
	}
	var suspects []string
	for i, f := range r.Findings {
		if i < most && open(f) {
			suspects = append(suspects, services(f)...)
		}
	}
	if c == nil || len(suspects) == 0 || len(r.BaselineRanges()) == 0 || !r.Baseline.To.After(r.Baseline.From) {
		return 0, nil
	}
	slices.Sort(suspects)
	t, err := read(ctx, c, q, slices.Compact(suspects))
	if err != nil {
		return 0, fmt.Errorf("the signals of causes: %w", err)
	}
	t.wanders = t.wander()
	for i := range r.Findings {
		switch f := &r.Findings[i]; {
		case !open(*f):
		case i < most:
			t.explain(f, loadOf(*f, q), q)
		case f.Cause == nil && f.Kind != result.KindErrors:
			number(f, q)
		}
	}
	t.corroborate(r)
	shared(r)
	regroup(r)
	gather(r)
	t.doubt(r)
	return t.series, nil
}

// shared adds to the causes of a dependency that is slow for several hops which they are.
func shared(r *result.Result) {
	hops := map[string][]string{}
	slow := func(f result.Finding) bool {
		return f.Kind == result.KindDependency && f.Target != "" && f.Cause != nil && f.Cause.Kind == result.CauseDependency
	}
	for _, f := range r.Findings {
		if slow(f) && !slices.Contains(hops[f.Target], f.Hop) {
			hops[f.Target] = append(hops[f.Target], f.Hop)
		}
	}
	for _, f := range r.Findings {
		if of := hops[f.Target]; slow(f) && len(of) > 1 {
			slices.Sort(of)
			f.Cause.Why += fmt.Sprintf("; it is one server, and %s wait for it alike", strings.Join(of, " and "))
		}
	}
}

// final reports whether signals cannot change a cause of the kind.
func final(kind string) bool {
	return slices.Contains([]string{result.CauseLostConcurrency, result.CauseMix, result.CauseNPlusOne, result.CauseRetries}, kind)
}

// services returns the services whose signals may explain a finding: those at both ends of
// a link or call.
func services(f result.Finding) []string {
	out := []string{f.Hop}
	if f.Target != "" && f.Target != f.Hop && f.Kind != result.KindQueue {
		out = append(out, f.Target)
	}
	return out
}

// structural adds the causes that the findings and the metrics themselves tell.
func structural(q Question) {
	r := q.Result
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Cause != nil {
			continue
		}
		switch f.Kind {
		case result.KindQueue:
			f.Cause = &result.Cause{Kind: result.CauseQueue, Sure: true,
				Why:      fmt.Sprintf("messages wait before %s of %s", f.Target, f.Hop),
				Evidence: []result.Signal{{Signal: "wait in the queue", Before: f.BaselineMS, Now: f.NowMS, Unit: "ms"}}}
			consumer(f, q)
		case result.KindMix:
			f.Cause = &result.Cause{Kind: result.CauseMix, Sure: true, Why: "other requests than before: " + f.Target,
				Evidence: []result.Signal{{Signal: "time by other proportions of " + f.Target, Before: f.BaselineMS, Now: f.NowMS, Unit: "ms"}}}
		case result.KindFlow:
			f.Cause = &result.Cause{Kind: result.CauseCode, Why: "what " + f.Hop + " does has changed", Evidence: []result.Signal{}}
		}
	}
}
