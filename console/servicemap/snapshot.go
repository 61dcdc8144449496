package servicemap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/query/prometheus"
)

// maxConcurrentQueries bounds the load that a snapshot puts on Prometheus.
const maxConcurrentQueries = 4

// Snapshot queries Prometheus. An error is reported in the snapshot, so that a
// page can keep the previous one and show the reason.
func (r *Reader) Snapshot(ctx context.Context) Snapshot {
	began := time.Now()
	s := Snapshot{At: began, Hops: []Hop{}, Edges: []Edge{}, Entries: []Entry{}, SLOs: []SLO{}, Alerts: []Alert{}}
	answers := make(map[string][]prometheus.Value, len(r.queries))
	type answered struct {
		name    string
		samples []prometheus.Value
	}
	results := make(chan answered, len(r.queries))
	var alerts []prometheus.Alert
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(maxConcurrentQueries)
	w := r.rateWindow(ctx)
	windows := strings.NewReplacer(over, fmt.Sprintf("[%.0fs]", w.Seconds()), overErrors, fmt.Sprintf("[%.0fs]", max(w, time.Minute).Seconds()))
	for name, expr := range r.queries {
		expr = windows.Replace(expr)
		g.Go(func() error {
			samples, err := r.prom.query(gctx, expr)
			results <- answered{name, samples}
			return err
		})
	}
	g.Go(func() (err error) {
		alerts, err = r.prom.alerts(gctx)
		return err
	})
	if err := g.Wait(); err != nil {
		s.Error = r.describe(err)
		return s
	}
	close(results)
	for a := range results {
		answers[a.name] = a.samples
	}
	m := newMap(answers)
	s.Hops, s.Edges = m.hops(), m.edges()
	s.Entries = entries(answers)
	s.SLOs = objectives(answers)
	s.Alerts = firing(alerts)
	s.TookMS = float64(time.Since(began).Microseconds()) / 1000
	return s
}

func entries(answers map[string][]prometheus.Value) []Entry {
	type key struct{ operation, flow string }
	found := map[key]*Entry{}
	for _, q := range []struct {
		name string
		set  func(*Entry, float64)
	}{
		{"mean", func(e *Entry, v float64) { e.Mean = v }},
		{"entryRate", func(e *Entry, v float64) { e.Rate = v }},
		{"baseline", func(e *Entry, v float64) { e.Baseline = v }},
		{"spiking", func(e *Entry, v float64) { e.Spiking = v > 0 }},
	} {
		for _, x := range answers[q.name] {
			k := key{x.Labels["entry"], x.Labels["flow"]}
			if found[k] == nil {
				if q.name != "mean" {
					continue // no requests now
				}
				found[k] = &Entry{Operation: k.operation, Flow: k.flow}
			}
			q.set(found[k], x.Value)
		}
	}
	out := []Entry{}
	for _, e := range found {
		if e.Baseline > 0 {
			e.Added = e.Mean - e.Baseline
		}
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(a.Operation, b.Operation), cmp.Compare(b.Flow, a.Flow))
	})
	return out
}

func objectives(answers map[string][]prometheus.Value) []SLO {
	ratios := func(name string) map[string]float64 {
		out := map[string]float64{}
		for _, x := range answers[name] {
			out[x.Labels["service_name"]+"\x00"+x.Labels["slo"]] = x.Value
		}
		return out
	}
	fast, hour, slow := ratios("slo5m"), ratios("slo1h"), ratios("slo6h")
	out := []SLO{}
	for _, x := range answers["objective"] {
		k := x.Labels["service_name"] + "\x00" + x.Labels["slo"]
		budget := 1 - x.Value
		if _, measured := fast[k]; !measured || budget <= 0 {
			continue
		}
		out = append(out, SLO{Name: x.Labels["slo"], Service: x.Labels["service_name"], Objective: x.Value, Errors: fast[k],
			// The fast alert requires both windows of its pair to exceed the rate, so the lower
			// one counts. For the slow pair, the value is that of the longer window.
			BurnFast: min(fast[k], hour[k]) / budget, BurnSlow: slow[k] / budget})
	}
	slices.SortFunc(out, func(a, b SLO) int {
		return cmp.Or(cmp.Compare(b.BurnFast, a.BurnFast), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// watchdog is the alert that always fires, to show that alerting works.
const watchdog = "Watchdog"

// urgency orders severities; unknown ones come first.
var urgency = map[string]int{"page": 1, "critical": 1, "ticket": 2, "warning": 2, "info": 3, "none": 4}

func firing(alerts []prometheus.Alert) []Alert {
	out := []Alert{}
	for _, a := range alerts {
		if a.Labels["alertname"] == watchdog {
			continue
		}
		out = append(out, Alert{Name: a.Labels["alertname"], State: a.State, Severity: a.Labels["severity"],
			Summary: a.Annotations["summary"], Since: a.ActiveAt, Labels: a.Labels,
			Runbook: a.Annotations["runbook_url"], Dashboard: a.Annotations["dashboard"], Traces: a.Annotations["jaeger"]})
	}
	slices.SortFunc(out, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(urgency[a.Severity], urgency[b.Severity]), cmp.Compare(a.Since, b.Since), cmp.Compare(a.Summary, b.Summary))
	})
	return out
}
