package collect

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/arrival"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// edge makes the operation that requests begin with the entry, where metrics cannot
// tell it from those behind it.
func (r *run) edge(ctx context.Context, d *diagnose.Diagnosis) *diagnose.Diagnosis {
	_ = r.spans.Ask(ctx, r.cfg.share(edgeShare), func(ctx context.Context) (int, error) { // noted
		res := d.Result()
		found, err := r.traces.Traces(ctx, query.Search{Service: res.Entry.Service, Operation: res.Entry.Operation, From: res.Window.From, To: res.Window.To, Limit: handful})
		if err != nil {
			return 0, err
		}
		edges := sample.Edges(found)
		if len(edges) == 0 || r.opt.Entry != "" {
			return len(found), nil
		}
		first := edges[0]
		if first.Service == res.Entry.Service && first.Operation == res.Entry.Operation {
			return len(found), nil
		}
		m := r.metrics
		m.Entries = slices.DeleteFunc(slices.Clone(m.Entries), func(e evidence.EntrySeries) bool {
			return e.Service != first.Service || e.Operation != first.Operation
		})
		if len(m.Entries) == 1 {
			if at := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: r.now}, r.opt); at.Result().Verdict == res.Verdict {
				d = at
			}
		}
		return len(found), nil
	})
	return d
}

// handful is the number of slow traces, and of others, that are read.
const handful = 20

// tracesOf reads slow and, where more fail, failed traces of the entry, and
// ordinary ones to compare with.
func (r *run) tracesOf(ctx context.Context, res result.Result) (found diagnose.Traces, err error) {
	err = r.spans.Ask(ctx, r.cfg.share(detailShare), func(ctx context.Context) (_ int, err error) {
		if r.metrics.RED {
			found, err = draw(ctx, r.traces, res, drawn)
		} else {
			found, err = readTraces(ctx, r.traces, res)
		}
		return found.Len(), err
	})
	r.leaveOutIncomplete(&found)
	return found, err
}

// leaveOutIncomplete removes the traces with missing spans.
func (r *run) leaveOutIncomplete(found *diagnose.Traces) {
	complete, seen := map[string]bool{}, map[string]bool{}
	filter := arrival.New(nil, r.now.Add(time.Hour), func(t trace.Trace) { complete[t.ID] = true })
	for _, traces := range [][]trace.Trace{found.Before, found.Now, found.Normal, found.Slow, found.Failed} {
		for _, t := range traces {
			if !seen[t.ID] {
				seen[t.ID] = true
				filter.Add(t)
				r.stores.Add(&t)
			}
		}
	}
	filter.Flush()
	r.incomplete += filter.Incomplete()
	for _, traces := range []*[]trace.Trace{&found.Before, &found.Now, &found.Normal, &found.Slow, &found.Failed} {
		*traces = slices.DeleteFunc(slices.Clone(*traces), func(t trace.Trace) bool { return !complete[t.ID] })
	}
}

func readTraces(ctx context.Context, c traceSource, res result.Result) (e diagnose.Traces, err error) {
	border := res.SlowBorder()
	during := query.Search{Service: res.Entry.Service, Operation: res.Entry.Operation, Limit: handful, From: res.Window.From, To: res.Window.To}
	before := during
	before.From = res.Baseline.From
	consumer := res.Entry.Consumer
	if consumer == nil {
		during.Min, before.Max = border, border
	} else {
		// No span lasts as long as the flow: more traces are read and told apart by
		// when the consumer was done.
		during.Service, during.Operation, during.Limit = consumer.Service, consumer.Operation, 3*handful
		before = during
		before.From, before.To = res.Baseline.From, res.Baseline.To
	}
	if res.Errors != nil {
		before.Max = 0 // failing is often fast
		before.To = res.Window.From
	}
	var g errgroup.Group // one question's failure does not end the others
	sampling := res.AddedMS > 0 && consumer == nil
	if sampling {
		g.Go(func() error {
			sampled, err := draw(ctx, c, res, fewDrawn)
			e.Before, e.Now = sampled.Before, sampled.Now
			return err
		})
	} else {
		g.Go(func() (err error) {
			e.Normal, err = c.Traces(ctx, before)
			return err
		})
	}
	if res.Errors != nil {
		failing := res.Window
		if res.Errors.Window != nil {
			failing = *res.Errors.Window
		}
		bad := query.Search{Service: res.Entry.Service, Operation: res.Entry.Operation, From: failing.From, To: failing.To,
			Failed: true, Limit: handful}
		g.Go(func() (err error) {
			e.Failed, err = c.Traces(ctx, bad)
			return err
		})
	}
	g.Go(func() (err error) {
		e.Slow, err = c.Traces(ctx, during)
		return err
	})
	err = g.Wait()
	if sampling {
		e.Normal = quick(slices.Concat(e.Before, e.Now), res.Entry, border)
	}
	if consumer != nil {
		e.Slow, e.Normal = flows(e.Slow, *consumer, border, true), flows(e.Normal, *consumer, border, false)
	}
	return e, err
}

// quick returns the traces in which the entry took no longer than border, and
// did not fail.
func quick(traces []trace.Trace, entry result.Entry, border time.Duration) []trace.Trace {
	var out []trace.Trace
	for _, t := range traces {
		if i, ok := sample.SpanOf(t, entry); ok && t.Spans[i].Duration <= border && !t.Spans[i].Failed {
			out = append(out, t)
		}
	}
	return out
}

// flows returns a handful of the traces whose flow took longer than border, or
// of the others.
func flows(traces []trace.Trace, consumer result.Consumer, border time.Duration, slow bool) []trace.Trace {
	var out []trace.Trace
	for _, t := range traces {
		if took, ok := completion(t, consumer); ok && took > border == slow && len(out) < handful {
			out = append(out, t)
		}
	}
	return out
}

// completion returns the time from a trace's first span to the end of the last span
// of a consumer; false when the consumer has none.
func completion(t trace.Trace, c result.Consumer) (time.Duration, bool) {
	var start, end time.Time
	for i := range t.Spans {
		s := &t.Spans[i]
		if i == 0 || s.Start.Before(start) {
			start = s.Start
		}
		if done := s.End(); s.Service == c.Service && s.Operation == c.Operation && done.After(end) {
			end = done
		}
	}
	return end.Sub(start), !end.IsZero()
}

// Traces of either time that are read to split the added time, and those that are
// read for the quantiles where metrics split it.
const (
	drawn    = 100
	fewDrawn = 60
)

// arriving is the time that the spans of a request may take until all are stored. SDKs
// export them every 5 s by default.
const arriving = 6 * time.Second

// nowParts is the number of parts of the present level from which equally many traces
// are read, so that not all are of its last second.
const nowParts = 4

// turning is the time by which a change may begin before scrapes show it.
const turning = 10 * time.Second

// draw reads traces of an entry without regard to how long it took, and tells the
// slow and the failed ones apart.
func draw(ctx context.Context, c traceSource, res result.Result, limit int) (e diagnose.Traces, err error) {
	q := query.Search{Service: res.Entry.Service, Operation: res.Entry.Operation, Limit: limit}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		// The newest come first, and their last spans are still on the way.
		from, to := res.Window.From, res.Window.To.Add(-min(arriving, res.Window.To.Sub(res.Window.From)/4))
		every := to.Sub(from) / nowParts
		e.Now, err = each(gctx, nowParts, func(ctx context.Context, i int) ([]trace.Trace, error) {
			q := q
			q.From, q.Limit = from.Add(time.Duration(i)*every), limit/nowParts
			q.To = q.From.Add(every)
			return c.Traces(ctx, q)
		})
		return err
	})
	g.Go(func() (err error) {
		q := q
		parts := res.BaselineRanges()
		last := parts[len(parts)-1] // beside an earlier spike, not across it
		// The newest come first, and a request that began before the level changed
		// may have been slow already when it ended.
		q.From, q.To = last.From, last.To.Add(-min(turning, last.To.Sub(last.From)/4))
		e.Before, err = c.Traces(gctx, q)
		return err
	})
	if err := g.Wait(); err != nil {
		return e, err
	}
	border := res.SlowBorder()
	for _, t := range e.Now {
		i, ok := sample.SpanOf(t, res.Entry)
		switch {
		case !ok:
		case t.Spans[i].Failed:
			e.Failed = append(e.Failed, t)
		case t.Spans[i].Duration > border:
			e.Slow = append(e.Slow, t)
		}
	}
	e.Normal = e.Before
	return e, nil
}
