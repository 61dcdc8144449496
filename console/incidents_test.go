package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/watch"
)

// kept returns incidents.
type kept []*watch.Incident

func (k kept) Incidents(context.Context) ([]*watch.Incident, error) { return k, nil }

// stored returns an incident as a watcher stores it.
func stored(t *testing.T) *watch.Incident {
	t.Helper()
	began := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	named := began.Add(9 * time.Second)
	i := &watch.Incident{ID: "i-1", State: watch.Open, Began: began, Paged: began.Add(7 * time.Second), Named: &named, Posted: true,
		Said: []watch.Said{{At: named, Text: "payment"}},
		Result: &result.Result{Verdict: result.Spike, Entry: result.Entry{Operation: "POST /checkout"},
			Findings: []result.Finding{{Rank: 1, Hop: "payment", Operation: "Charge", Kind: result.KindSelf, AddedMS: 200, Share: 1}}}}
	alerts := `{"a":{"labels":{"alertname":"SlowHop","service_name":"payment"},"starts_at":"2026-11-27T12:00:07Z","runbook":"https://example.com/run/slow.md"}}`
	if err := json.Unmarshal([]byte(alerts), &i.Alerts); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestIncidents(t *testing.T) {
	i := stored(t)
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Incidents = kept{i} })
	list := decode[IncidentList](t, do(c, "GET", "/api/incidents", ""))
	if len(list.Incidents) != 1 || !list.Watched || list.MTTN == nil || *list.MTTN != 9 || list.MTTR != nil {
		t.Fatalf("the list is %+v", list)
	}
	if s := list.Incidents[0]; s.Place != "payment Charge" || s.Entry != "POST /checkout" || !s.Sure || s.Alerts != 1 {
		t.Errorf("the summary is %+v", s)
	}
	v := decode[IncidentView](t, do(c, "GET", "/api/incidents/i-1", ""))
	if v.Diagnosis == nil || v.Diagnosis.Findings[0].Exemplars == nil || len(v.Said) != 1 || len(v.Alerts) != 1 || v.Alerts[0].EndsAt != nil {
		t.Errorf("the incident is %+v", v)
	}
	if i.Result.Findings[0].Exemplars != nil {
		t.Error("the stored incident was changed")
	}
	if len(v.Runbooks) != 2 || v.Runbooks[0].Name != "slow-hop" || v.Runbooks[1] != (Runbook{"slow", "https://example.com/run/slow.md"}) {
		t.Errorf("runbooks %+v", v.Runbooks)
	}
	if got := do(c, "GET", "/api/incidents/other", ""); got.Code != http.StatusNotFound {
		t.Errorf("an unknown incident: %d", got.Code)
	}
	none := newConsole(t, newBackends(t), nil)
	if list := decode[IncidentList](t, do(none, "GET", "/api/incidents", "")); list.Watched || list.Incidents == nil {
		t.Errorf("without a watcher: %+v", list)
	}
}

// TestSearchWaits repeats a search that finds nothing, and ends with its time or an error.
func TestSearchWaits(t *testing.T) {
	asked := 0
	search := func(foundAt int, err error) func(context.Context) ([]Found, error) {
		asked = 0
		return func(context.Context) ([]Found, error) {
			if asked++; asked == foundAt {
				return []Found{{TraceID: "aa"}}, nil
			}
			return nil, err
		}
	}
	for _, c := range []struct {
		why   string
		wait  time.Duration
		at    int
		err   error
		asked int
		found int
	}{
		{"does not wait", 0, 0, nil, 1, 0},
		{"spans that arrive later", 5 * time.Second, 2, nil, 2, 1},
		{"spans that never arrive", 1200 * time.Millisecond, 0, nil, 3, 0},
		{"a source that fails", 5 * time.Second, 0, errors.New("gone"), 1, 0},
	} {
		found, err := untilFound(t.Context(), c.wait, search(c.at, c.err))
		if c.wait != 1200*time.Millisecond && asked != c.asked || len(found) != c.found || !errors.Is(err, c.err) {
			t.Errorf("%s: asked %d times, %d found, %v", c.why, asked, len(found), err)
		}
	}
	c := newConsole(t, newBackends(t), nil)
	for _, wait := range []string{"1h", "-1s", "x"} {
		if got := do(c, "GET", fmt.Sprintf("/api/traces?correlation=c&wait=%s", wait), ""); got.Code != http.StatusBadRequest {
			t.Errorf("wait=%s: %d", wait, got.Code)
		}
	}
}

// TestIncidentWithoutACause names no hop for an incident whose diagnoses failed or were not
// sure.
func TestIncidentWithoutACause(t *testing.T) {
	failed, unsure := stored(t), stored(t)
	failed.Named, failed.Result, failed.Problem = nil, nil, "no answer within 6s"
	unsure.Named, unsure.Result.Verdict, unsure.Result.Why = nil, result.Unsure, "the baseline is short"
	unsure.ID = "i-2"
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Incidents = kept{failed, unsure} })
	for _, s := range decode[IncidentList](t, do(c, "GET", "/api/incidents", "")).Incidents {
		if s.Sure || s.Named != nil || s.Place != "SlowHop payment" || !strings.HasPrefix(s.Headline, "not sure") {
			t.Errorf("the summary is %+v", s)
		}
	}
	v := decode[IncidentView](t, do(c, "GET", "/api/incidents/i-1", ""))
	if v.Diagnosis != nil || v.Problem == "" || len(v.Runbooks) != 1 || v.Runbooks[0].Name != "slow" {
		t.Errorf("the incident is %+v", v)
	}
}

// TestManyIncidents lists every open incident and the newest closed ones, and counts all.
func TestManyIncidents(t *testing.T) {
	var all kept
	for n := range 2*shownIncidents + 2 {
		i := stored(t)
		i.ID, i.State = fmt.Sprintf("i-%d", n), watch.Closed
		if n == 0 || n == 2*shownIncidents+1 { // the newest and the oldest
			i.State = watch.Open
		}
		all = append(all, i)
	}
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Incidents = all })
	list := decode[IncidentList](t, do(c, "GET", "/api/incidents", ""))
	if list.Open != 2 || list.Closed != 2*shownIncidents || len(list.Incidents) != shownIncidents+2 {
		t.Fatalf("%d open, %d closed, %d listed", list.Open, list.Closed, len(list.Incidents))
	}
	for at, id := range map[int]string{0: "i-0", 1: "i-1", shownIncidents: fmt.Sprintf("i-%d", shownIncidents), shownIncidents + 1: fmt.Sprintf("i-%d", 2*shownIncidents+1)} {
		if got := list.Incidents[at].ID; got != id {
			t.Errorf("incident %d is %s, want %s", at, got, id)
		}
	}
}

// TestMoreAlerts counts the alerts that are not listed, whoever has found them.
func TestMoreAlerts(t *testing.T) {
	for _, c := range []struct {
		why           string
		rules, looked int
		dropped, more int
	}{
		{"few", 2, 1, 0, 0},
		{"as many as are listed", shownAlerts - 1, 1, 0, 0},
		{"more than are listed", shownAlerts + 5, 2, 0, 7},
		{"more than are stored", shownAlerts, 0, 3, 3},
	} {
		i := stored(t)
		i.Dropped = c.dropped
		var alerts strings.Builder
		for n := range c.rules + c.looked {
			fmt.Fprintf(&alerts, `,"%d":{"labels":{"alertname":"SlowHop","service_name":"payment-%d"},"starts_at":"2026-11-27T12:00:%02dZ","looked":%t}`, n, n, n%60, n < c.looked)
		}
		i.Alerts = nil
		if err := json.Unmarshal([]byte("{"+alerts.String()[1:]+"}"), &i.Alerts); err != nil {
			t.Fatal(err)
		}
		page := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Incidents = kept{i} })
		v := decode[IncidentView](t, do(page, "GET", "/api/incidents/i-1", ""))
		if v.More != c.more || len(v.Alerts) != min(c.rules+c.looked, shownAlerts) || v.Incident.Alerts != c.rules+c.dropped {
			t.Errorf("%s: %d listed and %d more of %d of rules", c.why, len(v.Alerts), v.More, v.Incident.Alerts)
		}
	}
}
