// Package live diagnoses what runs: it asks Prometheus for sums, whatever the
// traffic, and Jaeger or Tempo for a handful of traces; or reads files of them.
package live

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/jaeger"
	"github.com/tenhop/tenhop/diagnose/prometheus"
	"github.com/tenhop/tenhop/diagnose/tempo"
	"github.com/tenhop/tenhop/query"
)

// Config says what to diagnose, and from which sources: Prometheus and one of
// Jaeger and Tempo, either alone, or files of traces.
type Config struct {
	Prometheus, Jaeger, Tempo string        // URLs; an empty one is left out
	Traces                    []string      // files; no other source is asked then
	Before                    []string      // files of an ordinary time, to compare Traces with
	Entry                     string        // one edge operation; the worst when empty
	Since                     time.Duration // how far back to look; 5 minutes when zero
	BaselineFrom              time.Time     // a baseline of the caller's choice; found when zero
	BaselineTo                time.Time
	Timeout                   time.Duration // for all questions together; 10 s when zero
}

// Shares of the timeout: what one source takes, the others must not pay for.
const (
	metricsShare  = .6 // the sums, asked for beside the services
	servicesShare = .3
	edgeShare     = .1 // what requests begin with, where metrics cannot tell
	detailShare   = .3 // quantiles and traces, asked for afterwards
)

// tracer is where traces are asked for.
type tracer interface {
	Services(ctx context.Context) ([]string, error)
	Traces(ctx context.Context, s diagnose.Search) ([]diagnose.Trace, error)
}

// Run collects the evidence and diagnoses it. A source that cannot answer is
// said so in the result; only when none can there is an error.
func Run(ctx context.Context, cfg Config) (diagnose.Result, error) {
	if cfg.Since == 0 {
		cfg.Since = 5 * time.Minute
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	r := run{cfg: cfg, began: time.Now(), foreign: map[string]bool{}, opt: diagnose.Options{Entry: cfg.Entry,
		BaselineFrom: cfg.BaselineFrom, BaselineTo: cfg.BaselineTo}}
	if len(cfg.Traces) > 0 {
		return r.files(ctx)
	}
	if err := r.open(); err != nil {
		return diagnose.Result{}, err
	}
	if err := r.collect(ctx); err != nil {
		if r.tracer == nil || !r.spans.OK() {
			return diagnose.Result{}, err
		}
		return r.tracesAlone(ctx)
	}
	return r.both(ctx), nil
}

// run is one diagnosis.
type run struct {
	cfg            Config
	opt            diagnose.Options
	began          time.Time
	metrics, spans *query.Source // nil when there is none
	prom           *prometheus.Client
	tracer         tracer
	ev             diagnose.Evidence
	foreign        map[string]bool // services that have spans
	stages         []diagnose.Stage
}

// open makes the sources' clients.
func (r *run) open() (err error) {
	client := &http.Client{}
	switch {
	case r.cfg.Jaeger != "" && r.cfg.Tempo != "":
		return errors.New("traces are in Jaeger or in Tempo: give one of them")
	case r.cfg.Jaeger != "":
		r.spans = query.NewSource("jaeger", r.cfg.Jaeger)
		r.tracer, err = jaeger.New(r.cfg.Jaeger, client)
	case r.cfg.Tempo != "":
		r.spans = query.NewSource("tempo", r.cfg.Tempo)
		r.tracer, err = tempo.New(r.cfg.Tempo, client)
	case r.cfg.Prometheus == "":
		return errors.New("no source is known; give --prometheus, --jaeger, --tempo or --traces")
	}
	if err == nil && r.cfg.Prometheus != "" {
		r.metrics = query.NewSource("prometheus", r.cfg.Prometheus)
		r.prom, err = prometheus.New(r.cfg.Prometheus, client)
	}
	return err
}

// start is how far back to look.
func (r *run) start() time.Time {
	start := r.began.Add(-r.cfg.Since)
	if !r.cfg.BaselineFrom.IsZero() && r.cfg.BaselineFrom.Before(start) {
		start = r.cfg.BaselineFrom
	}
	return start
}

// collect reads the metrics and which services have spans; its error is the
// metrics'.
func (r *run) collect(ctx context.Context) error {
	defer r.stage("collect", time.Now())
	var g errgroup.Group // neither costs the other its answer
	if r.tracer != nil {
		g.Go(func() error {
			_ = r.spans.Ask(ctx, r.cfg.share(servicesShare), func(ctx context.Context) (int, error) { // noted, and metrics alone can answer
				names, err := r.tracer.Services(ctx)
				for _, n := range names {
					r.foreign[n] = true
				}
				return 0, err
			})
			return nil
		})
	}
	g.Go(func() error {
		if r.prom == nil {
			return errors.New("no Prometheus is known")
		}
		return r.metrics.Ask(ctx, r.cfg.share(metricsShare), func(ctx context.Context) (n int, err error) {
			r.ev, n, err = r.prom.Collect(ctx, r.start(), r.began)
			return n, err
		})
	})
	return g.Wait()
}

// both diagnoses the metrics and adds what traces know.
func (r *run) both(ctx context.Context) diagnose.Result {
	for _, h := range r.ev.Hops {
		delete(r.foreign, h.Service)
	}
	r.ev.Foreign = r.foreign
	at := time.Now()
	res := diagnose.Diagnose(r.ev, r.opt)
	r.stage("split", at)
	ask := r.tracer != nil && r.spans.OK()
	if ask && r.ev.RED && res.Verdict != diagnose.None {
		at = time.Now()
		_ = r.spans.Ask(ctx, r.cfg.share(edgeShare), func(ctx context.Context) (int, error) { // noted
			return edge(ctx, r.tracer, r.ev, r.opt, &res)
		})
		r.stage("edge", at)
	}
	at = time.Now()
	var found evidence
	var p95 diagnose.P95
	var detail errgroup.Group // neither costs the other its answer
	detail.Go(func() error {
		return r.metrics.Ask(ctx, r.cfg.share(detailShare), func(ctx context.Context) (n int, err error) {
			p95, err = quantiles(ctx, r.prom, res, r.ev.RED)
			return 0, err
		})
	})
	if ask && (len(res.Findings) > 0 || res.Errors != nil || r.ev.RED && res.Verdict != diagnose.None) {
		detail.Go(func() error {
			return r.spans.Ask(ctx, r.cfg.share(detailShare), func(ctx context.Context) (n int, err error) {
				found, err = traces(ctx, r.tracer, res, r.ev.RED)
				return found.read(), err
			})
		})
	}
	_ = detail.Wait() // each source has noted its own error
	r.stage("detail", at)
	at = time.Now()
	res.P95 = p95
	found.tell(&res, r.ev.RED)
	r.stage("explain", at)
	return r.done(res)
}

// done adds what is known of the sources and the time taken.
func (r *run) done(res diagnose.Result) diagnose.Result {
	for _, s := range []*query.Source{r.metrics, r.spans} {
		if s == nil {
			continue
		}
		src := diagnose.Source{Name: s.Name, URL: s.URL, OK: s.OK(), Read: s.Read, TookMS: milliseconds(s.Took)}
		if s.Err != nil {
			src.Error = s.Err.Error()
		}
		res.Sources = append(res.Sources, src)
	}
	res.Stages = r.stages
	res.TookMS = since(r.began)
	return res
}

// stage notes how long a part of the diagnosis took.
func (r *run) stage(name string, began time.Time) {
	r.stages = append(r.stages, diagnose.Stage{Name: name, TookMS: since(began)})
}

func (c Config) share(part float64) time.Duration {
	return time.Duration(part * float64(c.Timeout))
}

func since(t time.Time) float64 { return milliseconds(time.Since(t)) }

func milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e4) / 10 }

// quantiles returns the entry's 95th percentiles; without requests they are
// zero.
func quantiles(ctx context.Context, prom *prometheus.Client, res diagnose.Result, red bool) (diagnose.P95, error) {
	if res.Entry.Operation == "" {
		return diagnose.P95{}, nil
	}
	ask := func(during ...diagnose.Range) (float64, error) {
		v, err := prom.P95(ctx, res.Entry, red, during)
		if math.IsNaN(v) {
			v = 0
		}
		return math.Round(v*1e6) / 1e3, err
	}
	before, err := ask(baselineOf(res)...)
	if err != nil {
		return diagnose.P95{}, err
	}
	now, err := ask(res.Window)
	return diagnose.P95{BaselineMS: before, NowMS: now}, err
}

// baselineOf is the baseline without the spikes in it.
func baselineOf(res diagnose.Result) []diagnose.Range {
	if len(res.BaselineParts) > 0 {
		return res.BaselineParts
	}
	return []diagnose.Range{res.Baseline}
}
