// Package collect collects the evidence of a diagnosis and runs it: it asks
// Prometheus for sums, whatever the traffic, and Jaeger or Tempo for a handful of
// traces, or it reads files of traces.
package collect

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query"
)

// Config selects what is diagnosed and the sources of the evidence: Prometheus
// and one of Jaeger and Tempo, either alone, or files of traces.
type Config struct {
	Prometheus, Jaeger, Tempo string        // base URLs; an empty one is left out
	Clients                   query.Clients // of the back ends
	Traces                    []string      // files; no other source is asked then
	Before                    []string      // files of an ordinary time, to compare Traces with
	Entry                     string        // one edge operation; the worst when empty
	Since                     time.Duration // how far back to look; 5 minutes when zero
	BaselineFrom              time.Time     // a baseline of the caller's choice; found when zero
	BaselineTo                time.Time
	Timeout                   time.Duration // of the whole diagnosis; when zero 10 s for back ends, none for files
}

const (
	defaultSince   = 5 * time.Minute
	defaultTimeout = 10 * time.Second
)

// ErrNoSource is returned when a Config names neither a back end nor a file.
var ErrNoSource = errors.New("no source of evidence is given")

// Run collects the evidence and diagnoses it. A source that fails is reported in
// the result; there is an error only when all fail.
func Run(ctx context.Context, cfg Config) (result.Result, error) {
	if cfg.Since == 0 {
		cfg.Since = defaultSince
	}
	r := run{cfg: cfg, began: time.Now(), opt: diagnose.Options{Entry: cfg.Entry, BaselineFrom: cfg.BaselineFrom, BaselineTo: cfg.BaselineTo}}
	if len(cfg.Traces) > 0 {
		return r.diagnoseFiles(ctx)
	}
	r.cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	if err := r.open(); err != nil {
		return result.Result{}, err
	}
	if err := r.collect(ctx); err != nil {
		switch {
		case r.traces == nil:
			return result.Result{}, err
		case !r.spans.OK() && r.prom == nil:
			return result.Result{}, r.spans.Err
		case !r.spans.OK():
			return result.Result{}, errors.Join(err, r.spans.Err)
		}
		return r.tracesAlone(ctx)
	}
	return r.metricsAndTraces(ctx), nil
}

// metricsAndTraces diagnoses the metrics and adds what traces tell.
func (r *run) metricsAndTraces(ctx context.Context) result.Result {
	r.noteForeign()
	at := time.Now()
	d := diagnose.Diagnose(diagnose.Evidence{Metrics: r.metrics}, r.opt)
	r.stage("split", at)
	res := d.Result()
	ask := r.traces != nil && r.spans.OK()
	if ask && r.metrics.RED && res.Verdict != result.None {
		at = time.Now()
		d = r.edge(ctx, d)
		res = d.Result()
		r.stage("edge", at)
	}
	at = time.Now()
	var p95 result.P95
	var found diagnose.Traces
	var detail errgroup.Group // each source keeps its own error
	detail.Go(func() (err error) {
		p95, err = r.quantiles(ctx, res)
		return err
	})
	if ask && (len(res.Findings) > 0 || res.Errors != nil || r.metrics.RED && res.Verdict != result.None) {
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
	res = d.Result()
	res.P95 = p95
	return r.finish(res)
}

// tracesAlone diagnoses a sample of the traces, for want of metrics.
func (r *run) tracesAlone(ctx context.Context) (result.Result, error) {
	requests, err := r.sample(ctx)
	if n, _ := requests.Size(); n == 0 {
		return result.Result{}, errors.Join(err, errors.New("no traces were found, and there are no metrics"))
	}
	return r.diagnoseSample(diagnose.Evidence{Sample: requests}), nil
}

// diagnoseSample diagnoses and explains requests measured from their traces.
func (r *run) diagnoseSample(ev diagnose.Evidence) result.Result {
	at := time.Now()
	d := diagnose.Diagnose(ev, r.opt)
	r.stage("split", at)
	at = time.Now()
	d.ExplainSample()
	r.stage("explain", at)
	return r.finish(d.Result())
}

// finish adds the sources and the time taken.
func (r *run) finish(res result.Result) result.Result {
	res.Sources = append(res.Sources, r.files...)
	for _, s := range []*query.Source{r.sums, r.spans} {
		if s != nil {
			res.Sources = append(res.Sources, sourceOf(s))
		}
	}
	res.Stages = r.stages
	res.TookMS = since(r.began)
	return res
}
