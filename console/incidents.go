package console

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/docs/runbooks"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/watch"
)

// Incidents returns the incidents that `tenhop watch` has posted, newest first.
type Incidents interface {
	Incidents(context.Context) ([]*watch.Incident, error)
}

// IncidentList is the history of incidents, newest first. The means are in seconds from the
// beginning to the first alert or find, the first sure diagnosis and the recovery. They and
// the numbers are of all incidents.
type IncidentList struct {
	Watched   bool              `json:"watched"` // whether the console knows where incidents are
	Open      int               `json:"open"`
	Closed    int               `json:"closed"`
	Incidents []IncidentSummary `json:"incidents"` // all open ones, and the newest closed ones
	MTTD      *float64          `json:"mttd_seconds"`
	MTTN      *float64          `json:"mttn_seconds"`
	MTTR      *float64          `json:"mttr_seconds"`
}

// IncidentSummary is an incident in the list.
type IncidentSummary struct {
	ID        string     `json:"id"`
	State     string     `json:"state"` // open or closed
	Sure      bool       `json:"sure"`
	Place     string     `json:"place"` // the named hop, or the alerts without one
	Headline  string     `json:"headline"`
	Entry     string     `json:"entry"` // what customers call; may be empty
	Began     time.Time  `json:"began"`
	Paged     time.Time  `json:"paged"`   // noticed, by an alert or without one
	Alerted   *time.Time `json:"alerted"` // the first alert; null without one
	Named     *time.Time `json:"named"`
	Recovered *time.Time `json:"recovered"`
	Alerts    int        `json:"alerts"`
}

// IncidentView is an incident with all that is stored of it.
type IncidentView struct {
	Incident  IncidentSummary `json:"incident"`
	Note      string          `json:"note"`    // why it ended, if no message said so
	Problem   string          `json:"problem"` // why the newest diagnosis failed
	Said      []watch.Said    `json:"said"`
	Alerts    []IncidentAlert `json:"alerts"`      // the first ones
	More      int             `json:"more_alerts"` // number of alerts that Alerts lacks
	Runbooks  []Runbook       `json:"runbooks"`
	Diagnosis *result.Result  `json:"diagnosis"`
}

// IncidentAlert is an alert of an incident.
type IncidentAlert struct {
	Name     string     `json:"name"`
	Place    string     `json:"place"`
	Looked   bool       `json:"looked"` // found by the watcher itself, not by a rule
	StartsAt time.Time  `json:"starts_at"`
	EndsAt   *time.Time `json:"ends_at"`
}

// Runbook is a link to what to do.
type Runbook struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

const (
	shownIncidents = 200 // closed ones
	shownAlerts    = 40
	shownRunbooks  = 4
)

func (c *Console) incidents(r *http.Request) (IncidentList, error) {
	if c.cfg.Incidents == nil {
		return IncidentList{}, nil
	}
	all, err := c.cfg.Incidents.Incidents(r.Context())
	if err != nil {
		return IncidentList{}, err
	}
	h := watch.NewHistory(all)
	list := IncidentList{Watched: true, MTTD: h.MTTD, MTTN: h.MTTN, MTTR: h.MTTR}
	for _, i := range all {
		if i.State == watch.Open {
			list.Open++
		} else if list.Closed++; list.Closed > shownIncidents {
			continue
		}
		list.Incidents = append(list.Incidents, summarize(i))
	}
	return list, nil
}

func (c *Console) incident(r *http.Request) (IncidentView, error) {
	if c.cfg.Incidents == nil {
		return IncidentView{}, missing("`tenhop watch`")
	}
	all, err := c.cfg.Incidents.Incidents(r.Context())
	if err != nil {
		return IncidentView{}, err
	}
	n := slices.IndexFunc(all, func(i *watch.Incident) bool { return i.ID == r.PathValue("id") })
	if n < 0 {
		return IncidentView{}, &apiError{http.StatusNotFound, watch.ErrNoIncident.Error()}
	}
	i := all[n]
	v := IncidentView{Incident: summarize(i), Note: i.Note, Problem: i.Problem, Said: slices.Clone(i.Said), Runbooks: runbooksOf(i)}
	if i.Result != nil { // a copy, since lists in it are filled
		b, err := json.Marshal(i.Result)
		if err != nil {
			return v, err
		}
		v.Diagnosis = &result.Result{}
		if err := json.Unmarshal(b, v.Diagnosis); err != nil {
			return v, err
		}
	}
	for _, a := range i.Alerts {
		shown := IncidentAlert{Name: a.Name(), Place: a.Place(), Looked: a.Looked, StartsAt: a.StartsAt}
		if !a.Firing() {
			shown.EndsAt = &a.EndsAt
		}
		v.Alerts = append(v.Alerts, shown)
	}
	slices.SortFunc(v.Alerts, func(a, b IncidentAlert) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), strings.Compare(a.Name+a.Place, b.Name+b.Place))
	})
	v.More = i.Dropped + max(0, len(v.Alerts)-shownAlerts)
	v.Alerts = v.Alerts[:min(len(v.Alerts), shownAlerts)]
	return v, nil
}

func summarize(i *watch.Incident) IncidentSummary {
	s := IncidentSummary{ID: i.ID, State: i.State, Sure: i.Named != nil, Place: i.Names(2), Headline: i.Headline(), Began: i.Began, Paged: i.Paged, Alerted: i.Alerted,
		Named: i.Named, Recovered: i.Recovered, Alerts: i.Rules()}
	if i.Result != nil {
		s.Entry = query.Printable(i.Result.Entry.Operation)
		if i.Named != nil && len(i.Result.Findings) > 0 {
			s.Place = query.Printable(strings.TrimSpace(render.Name(i.Result.Findings[0])))
		}
	}
	return s
}

// runbooksOf returns the runbooks that an incident's rules name, and those of its finding.
func runbooksOf(i *watch.Incident) []Runbook {
	var urls []string
	if i.Named != nil && i.Result != nil {
		urls = ofFinding(i.Result)
	}
	var named []string
	for _, a := range i.Alerts {
		named = append(named, a.Runbook)
	}
	slices.Sort(named)
	return links(append(urls, named...))
}

// ofFinding returns the addresses of the runbooks of a diagnosis's first finding.
func ofFinding(d *result.Result) []string {
	if len(d.Findings) == 0 {
		return nil
	}
	var urls []string
	for _, name := range runbooks.Of(d.Findings[0]) {
		urls = append(urls, runbooks.URL(name))
	}
	return urls
}

// links returns the first runbooks of a list of addresses. Their names are those of the files.
func links(urls []string) []Runbook {
	var out []Runbook
	for _, url := range urls {
		if url == "" || slices.ContainsFunc(out, func(b Runbook) bool { return b.URL == url }) || len(out) == shownRunbooks {
			continue
		}
		name := url[strings.LastIndex(strings.TrimRight(url, "/"), "/")+1:]
		out = append(out, Runbook{Name: cmp.Or(strings.TrimSuffix(strings.TrimRight(name, "/"), ".md"), url), URL: url})
	}
	return out
}
