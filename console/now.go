package console

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

// Snapshot is the state of all hops: what the page Now shows.
type Snapshot struct {
	At      time.Time `json:"at"`
	TookMS  float64   `json:"took_ms"`
	Error   string    `json:"error,omitempty"` // why it is empty or old
	Hops    []Hop     `json:"hops"`
	Edges   []Edge    `json:"edges"`
	Entries []Entry   `json:"entries"`
	SLOs    []SLO     `json:"slos"`
	Alerts  []Alert   `json:"alerts"`
}

// Hop is a service on the map. Times are seconds.
type Hop struct {
	Name       string      `json:"name"`
	Kind       string      `json:"kind"` // service, or store for what is only seen from callers
	Rate       float64     `json:"rate"` // messages a second
	Errors     float64     `json:"errors"`
	P95        *float64    `json:"p95,omitempty"`
	Self       *float64    `json:"self,omitempty"`  // mean self time of a message
	Added      float64     `json:"added,omitempty"` // to one request of the entry that slowed
	Share      float64     `json:"share,omitempty"` // of what that entry gained
	Hot        bool        `json:"hot,omitempty"`
	Why        string      `json:"why,omitempty"`
	Operations []Operation `json:"operations"`
}

// Operation is one of a hop's operations.
type Operation struct {
	Name   string   `json:"name"`
	Rate   float64  `json:"rate"`
	Errors float64  `json:"errors"`
	P95    *float64 `json:"p95,omitempty"`
	Self   *float64 `json:"self,omitempty"`
}

// Edge is calls, or records, between two hops.
type Edge struct {
	From  string   `json:"from"`
	To    string   `json:"to"`
	Kind  string   `json:"kind"` // http, grpc, kafka, database, cache
	Topic string   `json:"topic,omitempty"`
	Rate  float64  `json:"rate"`
	Mean  *float64 `json:"mean,omitempty"` // wait of one message of From for To; of a record in its topic
	Hot   bool     `json:"hot,omitempty"`
}

// Entry is an edge operation against its baseline.
type Entry struct {
	Operation string  `json:"operation"`
	Flow      string  `json:"flow"`
	Rate      float64 `json:"rate"`
	Mean      float64 `json:"mean"`
	Baseline  float64 `json:"baseline"` // 0 while there is none yet
	Added     float64 `json:"added"`
	Spiking   bool    `json:"spiking"`
}

// SLO is an objective and how fast its budget burns: 1 uses it up exactly in time.
type SLO struct {
	Name      string  `json:"name"`
	Service   string  `json:"service"`
	Objective float64 `json:"objective"`
	Errors    float64 `json:"errors"` // share of the last 5 minutes that missed it
	BurnFast  float64 `json:"burn_fast"`
	BurnSlow  float64 `json:"burn_slow"`
}

// urgency orders severities; what is not known comes first.
var urgency = map[string]int{"page": 1, "critical": 1, "ticket": 2, "warning": 2, "info": 3, "none": 4}

// Alert is one that is pending or fires.
type Alert struct {
	Name      string            `json:"name"`
	State     string            `json:"state"`
	Severity  string            `json:"severity"`
	Summary   string            `json:"summary"`
	Since     string            `json:"since"`
	Labels    map[string]string `json:"labels"`
	Runbook   string            `json:"runbook,omitempty"`
	Dashboard string            `json:"dashboard,omitempty"`
	Traces    string            `json:"traces,omitempty"`
}

const (
	served = `{__name__=~"http_server_request_duration_seconds_count|rpc_server_call_duration_seconds_count|messaging_process_duration_seconds_count"`

	// Both are replaced where targets are scraped too seldom for them.
	over       = `[30s]`
	overErrors = `[60s]` // as in hop:errors:ratio1m, beside which a hop's errors are shown
)

// questions are all that the map needs, by name.
var questions = map[string]string{
	"rate":      `sum by (service_name, operation) (rate(hop_duration_seconds_count` + over + `))`,
	"failed":    `sum by (service_name) (rate(` + served + `,error_type!~"|client_closed_request|consumer_closed"}` + overErrors + `)) / (sum by (service_name) (rate(` + served + `}` + overErrors + `)) > 0)`,
	"opFailed":  `hop:errors:ratio1m`,
	"p95":       `histogram_quantile(0.95, sum by (le, service_name) (rate(hop_duration_seconds_bucket` + over + `)))`,
	"opP95":     `histogram_quantile(0.95, sum by (le, service_name, operation) (rate(hop_duration_seconds_bucket` + over + `)))`,
	"self":      `sum by (service_name, operation) (rate(hop_self_duration_seconds_sum` + over + `))`,
	"waits":     `sum by (service_name, dependency, dependency_kind) (rate(hop_wait_duration_seconds_count{dependency_kind=~"http|grpc|database|cache"}` + over + `))`,
	"waited":    `sum by (service_name, dependency, dependency_kind) (rate(hop_wait_duration_seconds_sum{dependency_kind=~"http|grpc|database|cache"}` + over + `))`,
	"sent":      `sum by (service_name, messaging_destination_name) (rate(messaging_client_operation_duration_seconds_count{messaging_operation_name="send"}` + over + `))`,
	"processed": `sum by (service_name, messaging_destination_name) (rate(messaging_process_duration_seconds_count` + over + `))`,
	"queued":    `sum by (service_name, operation) (rate(hop_queue_wait_seconds_sum` + over + `)) / (sum by (service_name, operation) (rate(hop_queue_wait_seconds_count` + over + `)) > 0)`,
	"entryRate": `entry:requests:rate15s`,
	"mean":      `entry:duration_seconds:mean15s`,
	"baseline":  `entry:duration_seconds:baseline10m`,
	"spiking":   `entry:spiking:bool`,
	// Scrapes of caller and callee are not simultaneous: what was added counts
	// once two evaluations, 2 or 5 s apart, have seen it.
	"added": `(entry_hop:added_seconds:mean15s > 0.001) and (min_over_time(entry_hop:added_seconds:mean15s[6s]) > 0.001)` +
		` and (count_over_time(entry_hop:added_seconds:mean15s[11s]) >= 2)`,
	"objective": `slo:objective:ratio{windows="standard"}`,
	"slo5m":     `slo:errors:ratio5m{windows="standard"}`,
	"slo1h":     `slo:errors:ratio1h{windows="standard"}`,
	"slo6h":     `slo:errors:ratio6h{windows="standard"}`,
}

// asked bounds the questions in flight: the map is not worth more of Prometheus.
const asked = 4

// snapshot computes the map. An error is part of it: the page keeps the last
// one and says why it stands still.
func (c *Console) snapshot(ctx context.Context) any {
	began := time.Now()
	s := Snapshot{At: began, Hops: []Hop{}, Edges: []Edge{}, Entries: []Entry{}, SLOs: []SLO{}, Alerts: []Alert{}}
	answers := make(map[string][]sample, len(questions))
	type answered struct {
		name    string
		samples []sample
	}
	results := make(chan answered, len(questions))
	var alerts []prometheus.Alert
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(asked)
	w := c.rateWindow(ctx)
	windows := strings.NewReplacer(over, fmt.Sprintf("[%.0fs]", w.Seconds()), overErrors, fmt.Sprintf("[%.0fs]", max(w, time.Minute).Seconds()))
	for name, expr := range questions {
		expr = windows.Replace(expr)
		g.Go(func() error {
			samples, err := c.prom.query(gctx, expr)
			results <- answered{name, samples}
			return err
		})
	}
	g.Go(func() (err error) {
		alerts, err = c.prom.alerts(gctx)
		return err
	})
	if err := g.Wait(); err != nil {
		s.Error = err.Error()
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

func entries(answers map[string][]sample) []Entry {
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
			k := key{x.labels["entry"], x.labels["flow"]}
			if found[k] == nil {
				if q.name != "mean" {
					continue // it has no requests now
				}
				found[k] = &Entry{Operation: k.operation, Flow: k.flow}
			}
			q.set(found[k], x.value)
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

func objectives(answers map[string][]sample) []SLO {
	ratios := func(name string) map[string]float64 {
		out := map[string]float64{}
		for _, x := range answers[name] {
			out[x.labels["service_name"]+"\x00"+x.labels["slo"]] = x.value
		}
		return out
	}
	fast, hour, slow := ratios("slo5m"), ratios("slo1h"), ratios("slo6h")
	out := []SLO{}
	for _, x := range answers["objective"] {
		k := x.labels["service_name"] + "\x00" + x.labels["slo"]
		budget := 1 - x.value
		if budget <= 0 {
			continue
		}
		out = append(out, SLO{Name: x.labels["slo"], Service: x.labels["service_name"], Objective: x.value, Errors: fast[k],
			// The fast alert needs both windows of its pair to burn, so the lesser
			// one counts. Of the slow pair this is the longer window.
			BurnFast: min(fast[k], hour[k]) / budget, BurnSlow: slow[k] / budget})
	}
	slices.SortFunc(out, func(a, b SLO) int {
		return cmp.Or(cmp.Compare(b.BurnFast, a.BurnFast), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// watchdog fires always, to prove that alerting works.
const watchdog = "Watchdog"

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
