// Package live diagnoses what runs: it asks Prometheus for sums, whatever the
// traffic, and Jaeger for a handful of traces.
package live

import (
	"context"
	"errors"
	"fmt"
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

// Shares of the timeout: what one source takes, the others must not pay for.
const (
	metricsShare  = .5 // the sums, asked for beside the services
	servicesShare = .3
	detailShare   = .4 // quantiles and traces, asked for afterwards
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
	client := &http.Client{}
	prom, err := prometheus.New(cfg.Prometheus, client)
	if err != nil {
		return diagnose.Result{}, err
	}
	start := began.Add(-cfg.Since)
	if !cfg.BaselineFrom.IsZero() && cfg.BaselineFrom.Before(start) {
		start = cfg.BaselineFrom
	}
	var ev diagnose.Evidence
	metrics, spans := newSource("prometheus", cfg.Prometheus), newSource("jaeger", cfg.Jaeger)
	var tracer *jaeger.Client
	foreign := map[string]bool{}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return metrics.ask(gctx, cfg.share(metricsShare), func(ctx context.Context) (n int, err error) {
			ev, n, err = prom.Collect(ctx, start, began)
			return n, err
		})
	})
	if cfg.Jaeger != "" {
		g.Go(func() error {
			// Metrics alone can answer, too: an error is only noted.
			_ = spans.ask(gctx, cfg.share(servicesShare), func(ctx context.Context) (n int, err error) {
				tracer, foreign, err = known(ctx, cfg.Jaeger, client)
				return 0, err
			})
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return diagnose.Result{}, err
	}
	for _, h := range ev.Hops {
		delete(foreign, h.Service)
	}
	ev.Foreign = foreign
	opt := diagnose.Options{Entry: cfg.Entry, BaselineFrom: cfg.BaselineFrom, BaselineTo: cfg.BaselineTo}
	res := diagnose.Diagnose(ev, opt)
	if ev.RED && tracer != nil && res.Verdict != diagnose.None {
		_ = spans.ask(ctx, cfg.share(servicesShare), func(ctx context.Context) (int, error) {
			n, err := edge(ctx, tracer, ev, opt, &res)
			return n, err
		})
	}
	var found evidence
	var p95 diagnose.P95
	var detail errgroup.Group // neither costs the other its answer
	detail.Go(func() error {
		return metrics.ask(ctx, cfg.share(detailShare), func(ctx context.Context) (n int, err error) {
			p95, err = quantiles(ctx, prom, res, ev.RED)
			return 0, err
		})
	})
	if tracer != nil && (len(res.Findings) > 0 || res.Errors != nil || ev.RED && res.Verdict != diagnose.None) {
		detail.Go(func() error {
			return spans.ask(ctx, cfg.share(detailShare), func(ctx context.Context) (n int, err error) {
				if ev.RED {
					found, err = draw(ctx, tracer, res)
				} else {
					found, err = traces(ctx, tracer, res)
				}
				return found.read(), err
			})
		})
	}
	_ = detail.Wait() // each source has noted its own error
	res.P95 = p95
	found.tell(&res, ev.RED)
	res.Sources = []diagnose.Source{metrics.Source}
	if cfg.Jaeger != "" {
		res.Sources = append(res.Sources, spans.Source)
	}
	res.TookMS = since(began)
	return res, nil
}

func (c Config) share(part float64) time.Duration {
	return time.Duration(part * float64(c.Timeout))
}

func since(t time.Time) float64 { return math.Round(time.Since(t).Seconds()*1e4) / 10 }

// source is one that is asked, once or more.
type source struct{ diagnose.Source }

func newSource(name, url string) *source {
	return &source{diagnose.Source{Name: name, URL: url, OK: true}}
}

// ask asks within a time of its own and notes what came of it.
func (s *source) ask(ctx context.Context, within time.Duration, question func(context.Context) (read int, err error)) error {
	began := time.Now()
	asked, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	n, err := question(asked)
	if err != nil && asked.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %s", within)
	}
	s.Read += n
	s.TookMS += since(began)
	if err != nil {
		s.OK, s.Error = false, err.Error()
	}
	return err
}

// known returns the services that Jaeger has spans of.
func known(ctx context.Context, url string, client *http.Client) (*jaeger.Client, map[string]bool, error) {
	services := map[string]bool{}
	c, err := jaeger.New(url, client)
	if err != nil {
		return nil, services, err
	}
	names, err := c.Services(ctx)
	if err != nil {
		return nil, services, err
	}
	for _, n := range names {
		services[n] = true
	}
	return c, services, nil
}

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
