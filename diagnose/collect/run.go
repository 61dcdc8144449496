// Package collect collects the evidence of a diagnosis and runs it: it asks
// Prometheus for sums, whatever the traffic, and Jaeger or Tempo for a handful of
// traces, or it reads files of traces.
package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/signals"
)

// Config selects what is diagnosed and the sources of the evidence: Prometheus
// and one of Jaeger and Tempo, either alone, or files of traces.
type Config struct {
	Prometheus, Jaeger, Tempo string        // base URLs; an empty one is left out
	Loki                      string        // base URL, or empty; asked for log lines to quote
	Clients                   query.Clients // of the back ends
	Traces                    []string      // files; no other source is asked then
	Before                    []string      // files of an ordinary time, to compare Traces with
	Entry                     string        // one edge operation; the worst when empty
	Since                     time.Duration // how far back to look; when zero 5 minutes or 15 scrapes, if that is longer
	BaselineFrom              time.Time     // a baseline of the caller's choice; found when zero
	BaselineTo                time.Time
	Labels                    signals.Labels // label names in Prometheus that differ from the conventions
	Timeout                   time.Duration  // of the whole diagnosis; when zero 10 s for back ends, none for files
	Now                       time.Time      // end of the time that is looked at; the present when zero
	Canary                    Canary         // compare a version with the others of the same time
}

const (
	defaultSince   = 5 * time.Minute
	defaultTimeout = 10 * time.Second
)

// Canary names a version of a service.
type Canary struct{ Service, Version string }

// ErrNoSource is returned when a Config names neither a back end nor a file.
var ErrNoSource = errors.New("no source of evidence is given")

// Run collects the evidence and diagnoses it. A source that fails is reported in
// the result; there is an error only when all fail.
func Run(ctx context.Context, cfg Config) (result.Result, error) {
	r := run{cfg: cfg, started: time.Now(), now: cfg.Now, since: cmp.Or(cfg.Since, defaultSince), opt: diagnose.Options{Entry: cfg.Entry, BaselineFrom: cfg.BaselineFrom, BaselineTo: cfg.BaselineTo}}
	if r.now.IsZero() {
		r.now = r.started
	}
	if len(cfg.Traces) > 0 {
		return r.diagnoseFiles(ctx)
	}
	r.cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	if err := r.open(); err != nil {
		return result.Result{}, err
	}
	if cfg.Canary.Service != "" {
		found, err := r.versions(ctx)
		if err != nil {
			return result.Result{}, err
		}
		return r.canary(ctx, found)
	}
	if err := r.collect(ctx); err != nil {
		switch {
		case r.traces == nil:
			return result.Result{}, err
		case !r.spans.OK() && r.prom == nil:
			return result.Result{}, r.spans.Err
		case !r.spans.OK():
			return result.Result{}, r.nothing(r.spans.Err)
		}
		return r.tracesAlone(ctx)
	}
	return r.metricsAndTraces(ctx), nil
}

// metricsAndTraces diagnoses the metrics and adds what traces tell. If the metrics do
// not decide, a sample of traces may.
func (r *run) metricsAndTraces(ctx context.Context) result.Result {
	r.metrics.Foreign = r.foreign(r.metrics)
	at := time.Now()
	d := diagnose.Diagnose(diagnose.Evidence{Metrics: r.metrics, Now: r.now}, r.opt)
	r.stage("split", at)
	if d.Short() && r.cfg.Since == 0 {
		d = r.further(ctx, d)
	}
	ask := r.traces != nil && r.spans.OK()
	if ask && !d.Left() {
		if traces := r.second(ctx, d); traces != nil {
			d = diagnose.Reconcile(d, traces)
			if d == traces {
				return r.explain(ctx, d)
			}
		}
	}
	if ask && r.metrics.RED && d.Left() {
		at = time.Now()
		d = r.edge(ctx, d)
		r.stage("edge", at)
	}
	res := d.Result()
	at = time.Now()
	var p95 result.P95
	var found diagnose.Traces
	var detail errgroup.Group // each source keeps its own error
	detail.Go(func() (err error) {
		p95, err = r.quantiles(ctx, res)
		return err
	})
	if ask && (len(res.Findings) > 0 || res.Errors != nil || r.metrics.RED && d.Left()) {
		detail.Go(func() (err error) {
			found, err = r.tracesOf(ctx, res)
			return err
		})
	}
	_ = detail.Wait() // each source has noted its own error
	r.stage("detail", at)
	at = time.Now()
	d.AddTraces(found)
	r.stage("explain", at)
	r.readLogs(ctx, d)
	res = d.Result()
	res.P95 = p95
	r.causes(ctx, &res)
	return r.finish(res)
}

// further diagnoses a longer time if only the baseline is too short for a verdict: another
// incident shortly before leaves little of the usual time. It returns d if that does not help.
func (r *run) further(ctx context.Context, d *diagnose.Diagnosis) *diagnose.Diagnosis {
	defer r.stage("further", time.Now())
	was := r.since
	r.since *= 2
	asked, cancel := context.WithTimeout(ctx, r.cfg.share(detailShare))
	defer cancel()
	m, n, err := counters.Read(asked, r.prom, r.start(), r.now, counters.Options{Labels: r.cfg.Labels})
	r.sums.Read += n
	if err == nil { // else what is known of the shorter time stays, and the source with it
		m.Foreign = r.foreign(m)
		again := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: r.now}, r.opt)
		if v := again.Result().Verdict; v == result.Spike || v == result.Errors {
			r.metrics = m
			return again
		}
	}
	r.since = was
	return d
}

// second diagnoses a sample of traces if the metrics do not suffice. It returns nil if
// they do, or if there are no traces.
func (r *run) second(ctx context.Context, d *diagnose.Diagnosis) *diagnose.Diagnosis {
	res := d.Result()
	edges := r.sampled(ctx, res)
	if len(edges) == 0 && res.Verdict == result.None {
		return nil
	}
	requests, _ := r.sample(ctx, edges) // noted
	if n, _ := requests.Size(); n == 0 {
		return nil
	}
	return diagnose.Diagnose(diagnose.Evidence{Sample: requests, Doubt: r.doubt, Now: r.now}, r.opt)
}

// tracesAlone diagnoses a sample of the traces, for want of metrics.
func (r *run) tracesAlone(ctx context.Context) (result.Result, error) {
	requests, err := r.sample(ctx, nil)
	if n, _ := requests.Size(); n == 0 {
		return result.Result{}, r.nothing(err)
	}
	return r.diagnoseSample(ctx, diagnose.Evidence{Sample: requests, Doubt: r.doubt, Now: r.now}), nil
}

// nothing returns why there is neither a metric nor a trace, given the error of the traces:
// what a back end does not answer is not missing there.
func (r *run) nothing(err error) error {
	var why []error
	if r.sums != nil && !r.sums.OK() {
		why = append(why, named(r.sums, r.sums.Err))
	}
	switch {
	case err != nil && r.spans != nil:
		why = append(why, named(r.spans, err))
	case err != nil:
		why = append(why, err)
	case why != nil:
		why = append(why, errors.New("no traces were found"))
	default:
		why = append(why, errors.New("no traces were found, and there are no metrics"))
	}
	return errors.Join(why...)
}

// named adds the name of a back end to an error that lacks it.
func named(s *query.Source, err error) error {
	if late := new(query.LateError); errors.As(err, &late) {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	return err
}

// diagnoseSample diagnoses and explains requests measured from their traces.
func (r *run) diagnoseSample(ctx context.Context, ev diagnose.Evidence) result.Result {
	at := time.Now()
	d := diagnose.Diagnose(ev, r.opt)
	r.stage("split", at)
	return r.explain(ctx, d)
}

// explain explains a diagnosis of a sample.
func (r *run) explain(ctx context.Context, d *diagnose.Diagnosis) result.Result {
	at := time.Now()
	d.ExplainSample()
	r.stage("explain", at)
	r.readLogs(ctx, d)
	res := d.Result()
	r.causes(ctx, &res)
	return r.finish(res)
}

// finish adds the sources and the time taken.
func (r *run) finish(res result.Result) result.Result {
	res.Sources = append(res.Sources, r.files...)
	for _, s := range []*query.Source{r.sums, r.spans, r.logs} {
		if s != nil {
			res.Sources = append(res.Sources, sourceOf(s))
			if s == r.sums && s.OK() && res.DecidedBy == result.DecidedByMetrics {
				res.Sources[len(res.Sources)-1].Note = r.metrics.Limits
			}
		}
	}
	res.Stages = r.stages
	res.IncompleteTraces = r.incomplete
	if shared := r.stores.Shared(); len(shared) > 0 {
		res.SharedStores = shared
	}
	res.TookMS = since(r.started)
	return res
}
