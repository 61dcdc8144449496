package mcp

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// None is the argument of a tool that has none.
type None struct{}

// Alerts lists active alerts, those that fire first.
type Alerts struct {
	Firing  int     `json:"firing"`
	Pending int     `json:"pending"`
	Alerts  []Alert `json:"alerts"`
	More    int     `json:"more,omitempty" jsonschema:"alerts that did not fit; of each name the first ones are kept"`
}

// Alert is an active alert.
type Alert struct {
	Name    string   `json:"name"`
	State   string   `json:"state" jsonschema:"firing or pending"`
	Since   string   `json:"since" jsonschema:"RFC 3339"`
	Summary string   `json:"summary,omitempty"`
	Labels  []string `json:"labels,omitempty" jsonschema:"each as name=value"`
	Runbook string   `json:"runbook,omitempty" jsonschema:"a resource of this server, if it begins with tenhop:"`
}

// perName is the number of alerts of one name that are kept before others.
const perName = 5

func (t tools) alerts(ctx context.Context, _ None) (Alerts, error) {
	prom, err := t.metrics()
	if err != nil {
		return Alerts{}, err
	}
	active, err := prom.Alerts(ctx)
	if err != nil {
		return Alerts{}, err
	}
	out := Alerts{Alerts: []Alert{}}
	for _, a := range active {
		if a.State == firing {
			out.Firing++
		} else {
			out.Pending++
		}
		out.Alerts = append(out.Alerts, newAlert(a))
	}
	slices.SortStableFunc(out.Alerts, func(a, b Alert) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Since, b.Since), cmp.Compare(a.Name, b.Name))
	})
	// A storm of one alert must not hide another one.
	seen := map[string]int{}
	var storm []Alert
	first := slices.DeleteFunc(out.Alerts, func(a Alert) bool {
		seen[a.Name]++
		if seen[a.Name] > perName {
			storm = append(storm, a)
			return true
		}
		return false
	})
	out.Alerts = slices.Concat(first, storm)
	out.keep(keptRows)
	return out, nil
}

const firing = "firing"

func newAlert(a prometheus.Alert) Alert {
	out := Alert{Name: a.Labels["alertname"], State: a.State, Since: a.ActiveAt,
		Summary: cmp.Or(a.Annotations["summary"], a.Annotations["description"]), Labels: labels(a.Labels, "alertname")}
	if at, err := time.Parse(time.RFC3339, a.ActiveAt); err == nil {
		out.Since = at.UTC().Format(time.RFC3339)
	}
	out.Runbook = runbookOf(a.Annotations["runbook_url"])
	return out
}

// labels returns labels as name=value, sorted, without some of them.
func labels(all map[string]string, without ...string) (out []string) {
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(without, k) {
			out = append(out, fmt.Sprintf("%s=%s", k, all[k]))
		}
	}
	return out
}

func (a *Alerts) keep(n int) {
	a.More += max(0, len(a.Alerts)-n)
	a.Alerts = a.Alerts[:min(n, len(a.Alerts))]
}

func (a *Alerts) shorten(bool) bool {
	if len(a.Alerts) <= leastRows {
		return false
	}
	a.keep(len(a.Alerts) - 1)
	return true
}
