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

	// HistoryError is set if the incidents are only those of `tenhop watch`.
	HistoryError string `json:"history_error,omitempty" jsonschema:"why the recorded alert history is missing"`
}

// Incident is a time during which alerts fired without a pause longer than a few minutes,
// or an incident that `tenhop watch` has told of.
type Incident struct {
	From     string   `json:"from" jsonschema:"RFC 3339"`
	To       string   `json:"to,omitempty" jsonschema:"missing while an alert still fires"`
	Series   int      `json:"series" jsonschema:"alerts that fired, counted by their labels"`
	Alerts   []string `json:"alerts" jsonschema:"names, in the order in which they fired"`
	Services []string `json:"services,omitempty"`
	Entries  []string `json:"entries,omitempty"`
	Watch    *Watched `json:"watch,omitempty" jsonschema:"what tenhop watch has told of it"`
}

// Watched is an incident that `tenhop watch` has told of.
type Watched struct {
	ID        string   `json:"id"`
	Began     string   `json:"began" jsonschema:"RFC 3339; the evidence left its baseline"`
	Paged     string   `json:"paged,omitempty" jsonschema:"RFC 3339; noticed: the first alert arrived, or tenhop found it without one"`
	Alerted   string   `json:"alerted,omitempty" jsonschema:"RFC 3339; the first alert arrived; missing if none did"`
	Named     string   `json:"named,omitempty" jsonschema:"RFC 3339; the first sure verdict"`
	Recovered string   `json:"recovered,omitempty" jsonschema:"RFC 3339; missing while it is open"`
	Verdict   string   `json:"verdict,omitempty"`
	Says      string   `json:"says,omitempty" jsonschema:"the verdict in one sentence"`
	Hop       string   `json:"hop,omitempty" jsonschema:"of the first finding"`
	Operation string   `json:"operation,omitempty"`
	Cause     string   `json:"cause,omitempty"`
	Sure      bool     `json:"cause_sure,omitempty"`
	Alerts    []string `json:"alerts,omitempty" jsonschema:"names, of rules only"`

	looked bool // tenhop found it, with or without an alert
}

const (
	defaultIncidents = 6 * time.Hour
	incidentPause    = 5 * time.Minute // a longer pause separates two incidents
	historySteps     = 2000            // samples per series
	minStep          = 15 * time.Second
	perIncident      = 6 // names of each kind
)

// firedAlerts selects the history of alerts without those that always fire, to show that alerts
// arrive: Watchdog, and what `tenhop watch` takes for a heartbeat.
const firedAlerts = `ALERTS{alertstate="firing",alertname!="Watchdog",severity!="none"}`

func (t tools) incidents(ctx context.Context, in WhichTime) (Incidents, error) {
	since, err := period(in.Since, defaultIncidents, maxSince)
	if err != nil {
		return Incidents{}, err
	}
	step := max(minStep, (since / historySteps).Truncate(time.Second))
	now := time.Now()
	var watched []Watched
	if t.cfg.Watched != nil {
		if watched, err = t.cfg.Watched(ctx, now.Add(-since)); err != nil {
			return Incidents{}, err
		}
	}
	out := Incidents{From: now.Add(-since).UTC().Format(time.RFC3339), Incidents: []Incident{}}
	if t.cfg.Prometheus != nil || t.cfg.Watched == nil {
		prom, err := t.metrics()
		if err != nil {
			return Incidents{}, err
		}
		history, err := prom.Range(ctx, firedAlerts, now.Add(-since), now, step)
		switch {
		case err == nil:
			out.Incidents, out.StepS = group(history, now, step).Incidents, step.Seconds()
		case len(watched) == 0:
			return Incidents{}, err
		default: // what watch has told stands alone
			out.HistoryError = err.Error()
		}
	}
	out.Incidents = joined(out.Incidents, watched)
	out.keep(keptRows)
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
	return out
}

// joined adds what watch has told to the incident of the alert history that it overlaps
// and has an alert in common with. Others, which the history may have lost, are incidents
// of their own, as are those that no alert told of. The newest come first. Names of alerts
// are left out beyond perIncident only when all incidents have been joined by them.
func joined(history []Incident, watched []Watched) []Incident {
	out := slices.Clone(history)
	for _, w := range watched {
		at := slices.IndexFunc(out, func(i Incident) bool {
			return i.Watch == nil && overlap(i, w) && (len(w.Alerts) == 0 && !w.looked || slices.ContainsFunc(w.Alerts, func(a string) bool { return slices.Contains(i.Alerts, a) }))
		})
		if at < 0 {
			out = append(out, Incident{From: cmp.Or(w.Began, w.Paged), To: w.Recovered, Series: len(w.Alerts), Alerts: w.Alerts})
			at = len(out) - 1
		}
		w.Alerts = nil // those of the incident
		out[at].Watch = &w
	}
	for i := range out {
		keep(&out[i].Alerts, perIncident)
	}
	slices.SortStableFunc(out, func(a, b Incident) int { return -moment(a.From).Compare(moment(b.From)) })
	return out
}

// overlap reports whether two incidents are of the same time. What watch tells begins
// before its alert and ends when the alert is resolved, minutes after it fired last.
func overlap(i Incident, w Watched) bool {
	end := func(s string) time.Time {
		if s == "" {
			return time.Unix(1<<40, 0)
		}
		return moment(s)
	}
	return !moment(cmp.Or(w.Began, w.Paged)).After(end(i.To).Add(incidentPause)) && !moment(i.From).After(end(w.Recovered).Add(incidentPause))
}

// moment parses a time in RFC 3339. It is zero for another text.
func moment(s string) time.Time {
	t, _ := time.Parse(time.RFC3339, s)
	return t
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
		if len(in.Services) < perIncident {
			in.Services = appendName(in.Services, cmp.Or(f.labels["service_name"], f.labels["service"], f.labels["hop"]))
		}
		if len(in.Entries) < perIncident {
			in.Entries = appendName(in.Entries, f.labels["entry"])
		}
	}
	in.Series = len(series)
	return in
}

// appendName appends a name that is new.
func appendName(names []string, name string) []string {
	if name == "" || slices.Contains(names, name) {
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
