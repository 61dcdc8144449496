package mcp

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// WhichTime selects a time that ends now.
type WhichTime struct {
	Since string `json:"since,omitempty" jsonschema:"how far back to look, such as 24h; 6h if empty"`
}

// Incidents lists incidents, newest first.
type Incidents struct {
	From      string     `json:"from" jsonschema:"RFC 3339"`
	StepS     float64    `json:"step_s" jsonschema:"seconds between two samples of the history; a shorter incident may be missing"`
	Incidents []Incident `json:"incidents"`
	More      int        `json:"more,omitempty" jsonschema:"older incidents that did not fit"`
}

// Incident is a time during which alerts fired without a pause longer than a few minutes.
type Incident struct {
	From     string   `json:"from" jsonschema:"RFC 3339"`
	To       string   `json:"to,omitempty" jsonschema:"missing while an alert still fires"`
	Series   int      `json:"series" jsonschema:"alerts that fired, counted by their labels"`
	Alerts   []string `json:"alerts" jsonschema:"names, in the order in which they fired"`
	Services []string `json:"services,omitempty"`
	Entries  []string `json:"entries,omitempty"`
}

const (
	defaultIncidents = 6 * time.Hour
	incidentPause    = 5 * time.Minute // a longer pause separates two incidents
	historySteps     = 2000            // samples per series
	minStep          = 15 * time.Second
	perIncident      = 6 // names of each kind
)

// watchdog is the alert that always fires, to show that alerts arrive.
const watchdog = "Watchdog"

func (t tools) incidents(ctx context.Context, in WhichTime) (Incidents, error) {
	since, err := period(in.Since, defaultIncidents)
	if err != nil {
		return Incidents{}, err
	}
	prom, err := t.metrics()
	if err != nil {
		return Incidents{}, err
	}
	step := max(minStep, (since / historySteps).Truncate(time.Second))
	now := time.Now()
	history, err := prom.Range(ctx, `ALERTS{alertstate="firing",alertname!="`+watchdog+`"}`, now.Add(-since), now, step)
	if err != nil {
		return Incidents{}, err
	}
	out := group(history, now, step)
	out.From, out.StepS = now.Add(-since).UTC().Format(time.RFC3339), step.Seconds()
	return out, nil
}

// fired is an interval during which one alert fired.
type fired struct {
	from, to time.Time
	labels   map[string]string
}

// group groups the times at which alerts fired into incidents.
func group(history []prometheus.Series, now time.Time, step time.Duration) Incidents {
	var all []fired
	for _, s := range history {
		for i, sample := range s.Samples {
			if i > 0 && sample.At.Sub(s.Samples[i-1].At) <= step*3/2 {
				all[len(all)-1].to = sample.At
				continue
			}
			all = append(all, fired{sample.At, sample.At, s.Labels})
		}
	}
	pause := max(incidentPause, step*3/2) // what lies between two samples is not known
	slices.SortStableFunc(all, func(a, b fired) int { return a.from.Compare(b.from) })
	out := Incidents{Incidents: []Incident{}}
	for len(all) > 0 {
		end, n := all[0].to, 1
		for n < len(all) && all[n].from.Sub(end) <= pause {
			if all[n].to.After(end) {
				end = all[n].to
			}
			n++
		}
		out.Incidents = append(out.Incidents, newIncident(all[:n], end, now.Sub(end) <= step*3/2))
		all = all[n:]
	}
	slices.Reverse(out.Incidents)
	out.keep(keptRows)
	return out
}

func newIncident(all []fired, end time.Time, still bool) Incident {
	in := Incident{From: all[0].from.UTC().Format(time.RFC3339)}
	if !still {
		in.To = end.UTC().Format(time.RFC3339)
	}
	series := map[string]bool{}
	for _, f := range all {
		series[strings.Join(labels(f.labels), "\x00")] = true
		in.Alerts = appendName(in.Alerts, f.labels["alertname"])
		in.Services = appendName(in.Services, cmp.Or(f.labels["service_name"], f.labels["service"], f.labels["hop"]))
		in.Entries = appendName(in.Entries, f.labels["entry"])
	}
	in.Series = len(series)
	return in
}

// appendName appends a name that is new, up to perIncident.
func appendName(names []string, name string) []string {
	if name == "" || len(names) == perIncident || slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

func (i *Incidents) keep(n int) {
	i.More += max(0, len(i.Incidents)-n)
	i.Incidents = i.Incidents[:min(n, len(i.Incidents))]
}

func (i *Incidents) shorten(bool) bool {
	if len(i.Incidents) <= leastRows {
		return false
	}
	i.keep(len(i.Incidents) - 1)
	return true
}
