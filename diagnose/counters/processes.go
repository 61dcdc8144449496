package counters

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// processSeries reads the series about processes.
func (r *reader) processSeries(ctx context.Context) ([]prometheus.Series, error) {
	names := append(signals.InFlight(), signals.ScrapeUp, signals.ScrapeDuration, signals.ProcessStart, signals.ProcessStall, signals.HopActive, signals.HopOldestAge)
	found, err := samples(ctx, r.c, fmt.Sprintf(`{__name__=~"%s"}`, strings.Join(names, "|")), r.start, r.end, r.every)
	if err != nil {
		return nil, fmt.Errorf("what is known of processes: %w", err)
	}
	return found, nil
}

// services returns the services of targets, as their series tell. A target with series of
// several services, such as a collector, is none of them. Neither is one that derives
// them from spans.
func (r *reader) services(all ...[]prometheus.Series) map[instance]string {
	out := map[instance]string{}
	for _, found := range all {
		for _, s := range found {
			if s.Labels["source"] == fromSpans {
				continue
			}
			name, from := r.service(nil, s.Labels)
			at := instanceOf(s.Labels)
			if have, ok := out[at]; ok && have != name || len(from) == 0 {
				name = ""
			}
			out[at] = name
		}
	}
	return out
}

// processes returns the targets of the services that serve requests or are called.
func (t table) processes(r *reader, found []prometheus.Series, counted []parts) []evidence.Process {
	var all [][]prometheus.Series
	for _, p := range counted {
		for _, s := range p.series {
			all = append(all, s)
		}
	}
	services := r.services(all...)
	known := map[string]bool{}
	for _, s := range services {
		known[s] = true
	}
	index := map[instance]*evidence.Process{}
	started := map[instance][]prometheus.Sample{}
	for _, s := range found {
		at := instanceOf(s.Labels)
		service := services[at]
		if _, ok := services[at]; !ok { // it has answered no scrape
			if service, _ = r.service(nil, s.Labels); !known[service] {
				continue
			}
		}
		if service == "" {
			continue
		}
		p := index[at]
		if p == nil {
			p = &evidence.Process{Service: service, Instance: at.instance}
			index[at] = p
		}
		switch s.Labels["__name__"] {
		case signals.ScrapeUp:
			p.Up = readings(p.Up, s.Samples)
		case signals.ScrapeDuration:
			p.Scrape = readings(p.Scrape, s.Samples)
		case signals.ProcessStall:
			p.Stalled = readings(p.Stalled, s.Samples)
		case signals.ProcessStart:
			started[at] = append(started[at], s.Samples...)
		case signals.HopActive:
			h := held(p, s.Labels["operation"])
			h.Active = readings(h.Active, s.Samples)
		case signals.HopOldestAge:
			h := held(p, s.Labels["operation"])
			h.Oldest = joined(h.Oldest, s.Samples, func(a, b float64) float64 { return max(a, b) })
		default:
			p.InFlight = readings(p.InFlight, s.Samples)
		}
	}
	fell := resets(all)
	for at, p := range index {
		if p.Starts = restarts(started[at]); len(started[at]) == 0 {
			p.Starts = fell[at]
		}
	}
	return slices.SortedFunc(maps.Values(valuesOf(index)), func(a, b evidence.Process) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
	})
}

// held returns what a process holds of an operation.
func held(p *evidence.Process, operation string) *evidence.Held {
	i := slices.IndexFunc(p.Held, func(h evidence.Held) bool { return h.Operation == operation })
	if i < 0 {
		i = len(p.Held)
		p.Held = append(p.Held, evidence.Held{Operation: operation})
	}
	return &p.Held[i]
}

func valuesOf(m map[instance]*evidence.Process) map[instance]evidence.Process {
	out := make(map[instance]evidence.Process, len(m))
	for k, v := range m {
		out[k] = *v
	}
	return out
}

// readings adds samples to readings. Those of the same time add up.
func readings(to []evidence.Reading, samples []prometheus.Sample) []evidence.Reading {
	return joined(to, samples, func(a, b float64) float64 { return a + b })
}

// joined adds samples to readings. Those of the same time are joined.
func joined(to []evidence.Reading, samples []prometheus.Sample, join func(a, b float64) float64) []evidence.Reading {
	for _, p := range samples {
		i, same := slices.BinarySearchFunc(to, p.At, func(r evidence.Reading, at time.Time) int { return r.At.Compare(at) })
		if same {
			to[i].Value = join(to[i].Value, p.Value)
			continue
		}
		to = slices.Insert(to, i, evidence.Reading{At: p.At, Value: p.Value})
	}
	return to
}

// restarts returns the times from process_start_time_seconds other than the first. A process
// that starts again starts later than all before it: two that share a target's labels do not
// restart in turn.
func restarts(samples []prometheus.Sample) []time.Time {
	slices.SortFunc(samples, func(a, b prometheus.Sample) int { return a.At.Compare(b.At) })
	var out []time.Time
	var latest float64 // of the starts so far
	for _, p := range samples {
		if p.At.Equal(samples[0].At) {
			latest = max(latest, p.Value)
			continue
		}
		// Clocks that are adjusted move the time of the start by less.
		if p.Value-latest >= 1 {
			out = append(out, time.UnixMilli(int64(p.Value*1000)))
		}
		latest = max(latest, p.Value)
	}
	return out
}

// resets returns the scrapes at which counters of a target were lower than before.
func resets(all [][]prometheus.Series) map[instance][]time.Time {
	out := map[instance][]time.Time{}
	for _, found := range all {
		for _, s := range found {
			for i := 1; i < len(s.Samples); i++ {
				if at := instanceOf(s.Labels); s.Samples[i].Value < s.Samples[i-1].Value && !slices.ContainsFunc(out[at], s.Samples[i].At.Equal) {
					out[at] = append(out[at], s.Samples[i].At)
				}
			}
		}
	}
	for _, at := range out {
		slices.SortFunc(at, time.Time.Compare)
	}
	return out
}

// alertMatchers selects the alerts that a diagnosis heeds: those that name a place, and do
// not say that nothing is urgent.
const alertMatchers = `alertstate="firing", severity!~"none|info|ticket|warning"`

// placeLabels are the labels of an alert that name a place, the most specific first.
func placeLabels() []string { return append([]string{"dependency"}, signals.ServiceLabels()...) }

// alerts reads the alerts that fire at the end of the time.
func (r *reader) alerts(ctx context.Context) ([]evidence.Alert, error) {
	found, err := r.c.Instant(ctx, fmt.Sprintf(`ALERTS{%s}`, alertMatchers), r.end)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	since, err := r.c.Instant(ctx, `ALERTS_FOR_STATE`, r.end)
	if err != nil {
		return nil, err
	}
	var out []evidence.Alert
	for _, f := range found {
		place, from := named(f.Labels, placeLabels())
		if place == "" || f.Labels["slo"] != "" {
			continue
		}
		a := evidence.Alert{Name: f.Labels["alertname"], Place: place, Kind: f.Labels["kind"], Instance: f.Labels["instance"]}
		if from[0] != "job" {
			a.Instance = ""
		}
		for _, s := range since {
			if sameAlert(f.Labels, s.Labels) {
				a.Since = time.Unix(int64(s.Value), 0)
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func sameAlert(a, b map[string]string) bool {
	for k, v := range a {
		if k != "alertstate" && k != "__name__" && b[k] != v {
			return false
		}
	}
	return true
}
