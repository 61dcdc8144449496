package live

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
)

// evidence is what was read of an entry's traces.
type evidence struct {
	slow, normal, failed []diagnose.Trace

	// before and now are drawn without regard to how long they took.
	before, now []diagnose.Trace
}

// read is how many traces were read; where some were drawn, the ordinary ones
// are among them.
func (e evidence) read() int {
	n := len(e.slow) + len(e.failed) + len(e.before) + len(e.now)
	if len(e.before)+len(e.now) == 0 {
		n += len(e.normal)
	}
	return n
}

// tell adds to a result what the traces know.
func (e evidence) tell(res *diagnose.Result, red bool) {
	switch {
	case red && res.Verdict == diagnose.Spike && e.read() == 0:
		res.Verdict = diagnose.Unsure
		res.Why = "metrics know how long requests take, but not where (there are no hop_* families): traces have to tell"
	case red && res.Verdict != diagnose.None && e.read() > 0:
		if len(e.failed) > 0 {
			// Plain clients name hosts, not services: traces know better.
			res.Findings = slices.DeleteFunc(res.Findings, func(f diagnose.Finding) bool { return f.Kind == diagnose.KindErrors })
		}
		if res.AddedMS > 0 && res.Verdict != diagnose.Errors {
			diagnose.Split(res, e.before, e.now)
		}
	}
	if len(e.now) > 0 && res.AddedMS > 0 {
		diagnose.Foresee(res, e.before, e.now)
	}
	diagnose.Explain(res, e.slow, e.normal)
	if res.Errors != nil {
		diagnose.ExplainErrors(res, e.failed, e.normal)
	}
	diagnose.Deployed(res, slices.Concat(e.slow, e.failed), slices.DeleteFunc(slices.Clone(e.normal), func(t diagnose.Trace) bool {
		return len(t.Spans) == 0 || t.Spans[0].Start.After(res.Window.From)
	}))
}

// edge makes the operation that requests begin with the entry, where metrics
// could not tell it from those behind it.
func edge(ctx context.Context, c tracer, ev diagnose.Evidence, opt diagnose.Options, res *diagnose.Result) (int, error) {
	found, err := c.Traces(ctx, diagnose.Search{Service: res.Entry.Service, Operation: res.Entry.Operation, From: res.Window.From, To: res.Window.To, Limit: handful})
	if err != nil {
		return 0, err
	}
	edges := diagnose.Edges(found)
	if len(edges) == 0 || opt.Entry != "" {
		return len(found), nil
	}
	first := edges[0]
	if first.Service == res.Entry.Service && first.Operation == res.Entry.Operation {
		return len(found), nil
	}
	ev.Entries = slices.DeleteFunc(slices.Clone(ev.Entries), func(e diagnose.EntrySeries) bool {
		return e.Service != first.Service || e.Operation != first.Operation
	})
	if len(ev.Entries) == 1 {
		if r := diagnose.Diagnose(ev, opt); r.Verdict == res.Verdict {
			*res = r
		}
	}
	return len(found), nil
}

// handful is how many slow and how many other traces are read.
const handful = 20

// traces reads slow and, where more fail, failed traces of the spike, and
// ordinary ones to compare with.
func traces(ctx context.Context, c tracer, res diagnose.Result, red bool) (e evidence, err error) {
	if red {
		return draw(ctx, c, res, drawn)
	}
	border := time.Duration((res.BaselineMS + res.AddedMS/2) * float64(time.Millisecond))
	during := diagnose.Search{Service: res.Entry.Service, Operation: res.Entry.Operation, Limit: handful, From: res.Window.From, To: res.Window.To}
	before := during
	before.From = res.Baseline.From
	consumer := res.Entry.Consumer
	if consumer == nil {
		during.Min, before.Max = border, border
	} else {
		// No span lasts as long as the flow: read more, and tell them apart by
		// when the consumer was done.
		during.Service, during.Operation, during.Limit = consumer.Service, consumer.Operation, 3*handful
		before = during
		before.From, before.To = res.Baseline.From, res.Baseline.To
	}
	var g errgroup.Group // what one question does not answer, another may
	sampling := res.AddedMS > 0 && consumer == nil
	if sampling {
		g.Go(func() error {
			sampled, err := draw(ctx, c, res, fewDrawn)
			e.before, e.now = sampled.before, sampled.now
			return err
		})
	} else {
		g.Go(func() (err error) {
			e.normal, err = c.Traces(ctx, before)
			return err
		})
	}
	if res.Errors != nil {
		bad := diagnose.Search{Service: res.Entry.Service, Operation: res.Entry.Operation, From: res.Window.From, To: res.Window.To,
			Failed: true, Limit: handful}
		before.Max = 0 // failing is often fast
		before.To = res.Window.From
		g.Go(func() (err error) {
			e.failed, err = c.Traces(ctx, bad)
			return err
		})
	}
	g.Go(func() (err error) {
		e.slow, err = c.Traces(ctx, during)
		return err
	})
	err = g.Wait()
	if sampling {
		e.normal = quick(slices.Concat(e.before, e.now), res.Entry, border)
	}
	if consumer != nil {
		e.slow, e.normal = flows(e.slow, *consumer, border, true), flows(e.normal, *consumer, border, false)
	}
	return e, err
}

// quick returns the traces in which the entry took no longer than border, and
// did not fail.
func quick(traces []diagnose.Trace, entry diagnose.Entry, border time.Duration) []diagnose.Trace {
	var out []diagnose.Trace
	for _, t := range traces {
		if s, ok := t.Of(entry); ok && s.Duration <= border && !s.Failed {
			out = append(out, t)
		}
	}
	return out
}

// flows returns a handful of the traces whose flow took longer than border, or
// of the others.
func flows(traces []diagnose.Trace, consumer diagnose.Consumer, border time.Duration, slow bool) []diagnose.Trace {
	var out []diagnose.Trace
	for _, t := range traces {
		if took, ok := t.Completion(consumer); ok && took > border == slow && len(out) < handful {
			out = append(out, t)
		}
	}
	return out
}

// drawn is how many traces of either time are read to split the added time.
// Where they can, as many are enough for the quantiles.
const (
	drawn    = 100
	fewDrawn = 60
)

// arriving is how long the spans of a request may take until all are stored.
const arriving = 2 * time.Second

// turning is how long before a level changes, as scrapes show it, what changed it
// may have begun.
const turning = 10 * time.Second

// draw reads traces of an entry that say how its time is spent, whatever it was,
// and tells the slow and the failed ones apart.
func draw(ctx context.Context, c tracer, res diagnose.Result, limit int) (e evidence, err error) {
	q := diagnose.Search{Service: res.Entry.Service, Operation: res.Entry.Operation, Limit: limit}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		q := q
		// The newest come first, and their last spans are still on the way.
		q.From, q.To = res.Window.From, res.Window.To.Add(-min(arriving, res.Window.To.Sub(res.Window.From)/4))
		e.now, err = c.Traces(gctx, q)
		return err
	})
	g.Go(func() (err error) {
		q := q
		parts := baselineOf(res)
		last := parts[len(parts)-1] // beside an earlier spike, not across it
		// The newest come first, and a request that began before the level changed
		// may have been slow already when it ended.
		q.From, q.To = last.From, last.To.Add(-min(turning, last.To.Sub(last.From)/4))
		e.before, err = c.Traces(gctx, q)
		return err
	})
	if err := g.Wait(); err != nil {
		return e, err
	}
	border := time.Duration((res.BaselineMS + res.AddedMS/2) * float64(time.Millisecond))
	for _, t := range e.now {
		switch s, ok := t.Of(res.Entry); {
		case !ok:
		case s.Failed:
			e.failed = append(e.failed, t)
		case s.Duration > border:
			e.slow = append(e.slow, t)
		}
	}
	e.normal = e.before
	return e, nil
}
