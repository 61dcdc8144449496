package collect

import (
	"context"
	"errors"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/jaeger"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/tempo"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/shape"
)

// Shares of the timeout that the questions to a source have. Those to another
// source run beside them.
const (
	metricsShare  = .6 // the sums
	servicesShare = .3 // the services that send spans
	edgeShare     = .1 // what requests begin with, where metrics cannot tell
	sampleShare   = .6 // traces, where metrics are missing or too coarse
	detailShare   = .3 // quantiles and traces, asked for afterwards
)

// traceSource is a back end that holds traces.
type traceSource interface {
	Services(ctx context.Context) ([]string, error)
	Traces(ctx context.Context, s query.Search) ([]trace.Trace, error)
}

// run is one diagnosis.
type run struct {
	cfg      Config
	opt      diagnose.Options
	started  time.Time
	now      time.Time     // end of the time that is looked at
	since    time.Duration // its length
	sums     *query.Source // nil without a Prometheus
	spans    *query.Source // nil without a Jaeger or Tempo
	logs     *query.Source // nil unless a Loki was asked
	files    []result.Source
	prom     *prometheus.Client
	traces   traceSource
	metrics  evidence.Metrics
	services []string // those that send spans
	stages   []result.Stage

	incomplete int          // traces left out because spans of them are missing
	stores     shape.Stores // databases that spans name
	doubt      string       // reason why a sample of traces does not tell where time is spent, or ""
}

// open makes the clients of the sources.
func (r *run) open() (err error) {
	switch {
	case r.cfg.Jaeger != "" && r.cfg.Tempo != "":
		return errors.New("traces are in Jaeger or in Tempo: give one of them")
	case r.cfg.Jaeger != "":
		r.spans = query.NewSource("jaeger", r.cfg.Jaeger)
		r.traces, err = jaeger.New(r.cfg.Jaeger, r.cfg.Clients.Jaeger)
	case r.cfg.Tempo != "":
		r.spans = query.NewSource("tempo", r.cfg.Tempo)
		r.traces, err = tempo.New(r.cfg.Tempo, r.cfg.Clients.Tempo)
	case r.cfg.Prometheus == "":
		return ErrNoSource
	}
	if err == nil && r.cfg.Prometheus != "" {
		r.sums = query.NewSource("prometheus", r.cfg.Prometheus)
		r.prom, err = prometheus.New(r.cfg.Prometheus, r.cfg.Clients.Prometheus)
	}
	return err
}

// enoughSteps is the number of steps that are read unless Config.Since bounds the time.
const enoughSteps = 15

// start is the beginning of the time that is looked at.
func (r *run) start() time.Time {
	start := r.now.Add(-r.since)
	if !r.cfg.BaselineFrom.IsZero() && r.cfg.BaselineFrom.Before(start) {
		start = r.cfg.BaselineFrom
	}
	return start
}

// collect reads the metrics and the services that send spans; its error is that of
// the metrics.
func (r *run) collect(ctx context.Context) error {
	defer r.stage("collect", time.Now())
	var g errgroup.Group // one source's failure does not end the other's question
	if r.traces != nil {
		g.Go(func() error {
			_ = r.spans.Ask(ctx, r.cfg.share(servicesShare), func(ctx context.Context) (_ int, err error) { // noted: metrics alone can answer
				r.services, err = r.traces.Services(ctx)
				return 0, err
			})
			return nil
		})
	}
	g.Go(func() error {
		if r.prom == nil {
			return errors.New("no Prometheus is known")
		}
		return r.sums.Ask(ctx, r.cfg.share(metricsShare), func(ctx context.Context) (n int, err error) {
			if r.metrics, n, err = counters.Read(ctx, r.prom, r.start(), r.now, counters.Options{Labels: r.cfg.Labels}); err != nil || r.cfg.Since > 0 {
				return n, err
			}
			// A few scrapes do not show what is normal.
			if length := enoughSteps * r.metrics.Step; length > defaultSince {
				r.since = length
				r.metrics, n, err = counters.Read(ctx, r.prom, r.start(), r.now, counters.Options{Labels: r.cfg.Labels})
			}
			return n, err
		})
	})
	return g.Wait()
}

// foreign returns the services that send spans but report no self time in the metrics.
func (r *run) foreign(m evidence.Metrics) map[string]bool {
	out := map[string]bool{}
	for _, s := range r.services {
		out[s] = true
	}
	for _, h := range m.Hops {
		delete(out, h.Service)
	}
	return out
}

// quantiles returns the entry's 95th percentiles; without requests they are zero.
func (r *run) quantiles(ctx context.Context, res result.Result) (p95 result.P95, err error) {
	err = r.sums.Ask(ctx, r.cfg.share(detailShare), func(ctx context.Context) (int, error) {
		if res.Entry.Operation == "" {
			return 0, nil
		}
		ask := func(during ...result.Range) (float64, error) {
			v, err := counters.P95(ctx, r.prom, r.metrics.Entry(res.Entry), during)
			if math.IsNaN(v) {
				v = 0
			}
			return math.Round(v*1e6) / 1e3, err
		}
		before, err := ask(res.BaselineRanges()...)
		if err != nil {
			return 0, err
		}
		now, err := ask(res.Window)
		p95 = result.P95{BaselineMS: before, NowMS: now}
		return 0, err
	})
	return p95, err
}

// stage notes the time that a part of the diagnosis took.
func (r *run) stage(name string, began time.Time) {
	r.stages = append(r.stages, result.Stage{Name: name, TookMS: since(began)})
}

func (c Config) share(part float64) time.Duration {
	return time.Duration(part * float64(c.Timeout))
}

// since returns the milliseconds since a time, to a tenth.
func since(t time.Time) float64 { return math.Round(time.Since(t).Seconds()*1e4) / 10 }

// sourceOf describes a source in the result.
func sourceOf(s *query.Source) result.Source {
	out := result.Source{Name: s.Name, URL: s.URL, OK: s.OK(), Read: s.Read, TookMS: math.Round(s.Took.Seconds()*1e4) / 10}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}
