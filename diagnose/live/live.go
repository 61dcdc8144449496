// Package live diagnoses what runs: it asks Prometheus for sums, whatever the
// traffic, and Jaeger for a handful of traces.
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
)

// Config says what to diagnose.
type Config struct {
	Prometheus, Jaeger string        // URLs; an empty one is left out
	Entry              string        // one edge operation; the worst when empty
	Since              time.Duration // how far back to look; 5 minutes when zero
	BaselineFrom       time.Time     // a baseline of the caller's choice; found when zero
	BaselineTo         time.Time
	Timeout            time.Duration // for all questions together; 10 s when zero
}

// Steps of the series: fine enough to see a change within seconds, and no more
// than a few hundred of them.
const (
	finestStep = 2 * time.Second
	maxSteps   = 300
)

// Run collects the evidence and diagnoses it. A source that cannot answer is
// said so in the result; only when none can there is an error.
func Run(ctx context.Context, cfg Config) (diagnose.Result, error) {
	began := time.Now()
	if cfg.Since == 0 {
		cfg.Since = 5 * time.Minute
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Prometheus == "" {
		return diagnose.Result{}, errors.New("no Prometheus is known; give its URL with --prometheus")
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	client := &http.Client{}
	prom, err := prometheus.New(cfg.Prometheus, client)
	if err != nil {
		return diagnose.Result{}, err
	}
	start := began.Add(-cfg.Since)
	if !cfg.BaselineFrom.IsZero() && cfg.BaselineFrom.Before(start) {
		start = cfg.BaselineFrom
	}
	step := finestStep
	for began.Sub(start)/step > maxSteps {
		step *= 2
	}
	steps := int(began.Sub(start) / step)

	var ev diagnose.Evidence
	sources := [2]diagnose.Source{{Name: "prometheus", URL: cfg.Prometheus}, {Name: "jaeger", URL: cfg.Jaeger}}
	var tracer *jaeger.Client
	foreign := map[string]bool{}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		ev, sources[0].Read, err = prom.Collect(gctx, start.Truncate(time.Second), step, steps)
		sources[0].TookMS = since(began)
		return err
	})
	if cfg.Jaeger != "" {
		g.Go(func() error {
			tracer, foreign = known(gctx, cfg.Jaeger, client, &sources[1])
			return nil // metrics alone can answer, too
		})
	}
	if err := g.Wait(); err != nil {
		return diagnose.Result{}, err
	}
	for _, h := range ev.Hops {
		delete(foreign, h.Service)
	}
	ev.Foreign = foreign
	res := diagnose.Diagnose(ev, diagnose.Options{Entry: cfg.Entry, BaselineFrom: cfg.BaselineFrom, BaselineTo: cfg.BaselineTo})
	quantiles(ctx, prom, &res)
	if tracer != nil && len(res.Findings) > 0 {
		asked := time.Now()
		slow, normal, err := traces(ctx, tracer, res)
		sources[1].Read, sources[1].TookMS = len(slow)+len(normal), sources[1].TookMS+since(asked)
		if err != nil {
			sources[1].OK, sources[1].Error = false, err.Error()
		}
		diagnose.Explain(&res, slow, normal)
	}
	sources[0].OK = true
	res.Sources = sources[:1]
	if cfg.Jaeger != "" {
		res.Sources = sources[:]
	}
	res.TookMS = since(began)
	return res, nil
}

func since(t time.Time) float64 { return math.Round(time.Since(t).Seconds()*1e4) / 10 }

// known returns the services that Jaeger has spans of.
func known(ctx context.Context, url string, client *http.Client, src *diagnose.Source) (*jaeger.Client, map[string]bool) {
	began := time.Now()
	services := map[string]bool{}
	c, err := jaeger.New(url, client)
	if err == nil {
		var names []string
		names, err = c.Services(ctx)
		for _, n := range names {
			services[n] = true
		}
	}
	src.TookMS = since(began)
	if err != nil {
		src.Error = err.Error()
		return nil, services
	}
	src.OK = true
	return c, services
}

// quantiles adds the entry's 95th percentile; without one it stays zero.
func quantiles(ctx context.Context, prom *prometheus.Client, res *diagnose.Result) {
	ask := func(r diagnose.Range) float64 {
		v, err := prom.P95(ctx, res.Entry.Operation, r.To, r.To.Sub(r.From))
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return 0
		}
		return math.Round(v*1e6) / 1e3
	}
	if res.Entry.Operation != "" {
		res.P95 = diagnose.P95{BaselineMS: ask(res.Baseline), NowMS: ask(res.Window)}
	}
}

// handful is how many slow and how many other traces are read.
const handful = 20

// traces reads slow traces of the spike and ordinary ones to compare with.
func traces(ctx context.Context, c *jaeger.Client, res diagnose.Result) (slow, normal []diagnose.Trace, err error) {
	border := time.Duration((res.BaselineMS + res.AddedMS/2) * float64(time.Millisecond))
	q := jaeger.Search{Service: res.Entry.Service, Operation: res.Entry.Operation, Limit: handful}
	if res.Entry.Flow == "async" {
		border = 0 // the entry's own span ends before its flow does
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		q := q
		q.From, q.To, q.Min = res.Window.From, res.Window.To, border
		slow, err = c.Traces(gctx, q)
		return err
	})
	g.Go(func() (err error) {
		q := q
		q.From, q.To, q.Max = res.Baseline.From, res.Window.To, border
		normal, err = c.Traces(gctx, q)
		return err
	})
	err = g.Wait()
	return slow, normal, err
}
