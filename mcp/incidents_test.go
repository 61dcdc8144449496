package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// prometheusOf returns a client of a Prometheus that answers as f does.
func prometheusOf(t *testing.T, f http.HandlerFunc) *prometheus.Client {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	c, err := prometheus.New(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Alerts that always fire make no incident.
func TestIncidentsWithoutHeartbeats(t *testing.T) {
	var query string
	prom := prometheusOf(t, func(w http.ResponseWriter, r *http.Request) {
		query = r.FormValue("query")
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"matrix","result":[]}}`)
	})
	call[Incidents](t, connect(t, Config{Prometheus: prom}), "incidents", WhichTime{})
	for _, matcher := range []string{`alertname!="Watchdog"`, `severity!="none"`} {
		if !strings.Contains(query, matcher) {
			t.Errorf("%s lacks %s", query, matcher)
		}
	}
}

// What watch has told is listed although Prometheus does not answer, with why the rest is
// missing. With nothing to list, the answer is the error.
func TestIncidentsWithoutPrometheus(t *testing.T) {
	prom := prometheusOf(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "out of order", http.StatusServiceUnavailable)
	})
	var told []Watched
	s := connect(t, Config{Prometheus: prom, Watched: func(context.Context, time.Time) ([]Watched, error) { return told, nil }})
	if got := failing(t, s, "incidents", WhichTime{}); !strings.Contains(got, "503") {
		t.Errorf("without an incident: %s", got)
	}
	told = []Watched{{ID: "i1", Began: time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), Alerts: []string{"SlowHop"}}}
	got, text, _ := call[Incidents](t, s, "incidents", WhichTime{})
	if len(got.Incidents) != 1 || got.Incidents[0].Watch == nil || got.Incidents[0].Watch.ID != "i1" || !strings.Contains(got.HistoryError, "503") || !strings.Contains(text, "history_error=") {
		t.Errorf("got %+v", got)
	}
}

// An incident that watch has told of is joined by any of its alerts, or of those of the history,
// however many there are; six names of them are listed.
func TestIncidentsAreJoinedByAnyAlert(t *testing.T) {
	const many = 12
	began := time.Now().Add(-time.Hour)
	fired := func(names ...string) []prometheus.Series {
		var out []prometheus.Series
		for i, name := range names {
			at := began.Add(time.Duration(i) * time.Second)
			out = append(out, prometheus.Series{Labels: map[string]string{"alertname": name}, Samples: []prometheus.Sample{{At: at, Value: 1}, {At: at.Add(minStep), Value: 1}}})
		}
		return out
	}
	told := func(names ...string) Watched {
		alerts := map[string]any{}
		for _, name := range names {
			alerts[name] = map[string]any{"labels": map[string]string{"alertname": name}}
		}
		text, err := json.Marshal(map[string]any{"id": "i1", "state": "closed", "posted": true, "began": began, "paged": began, "recovered": began.Add(time.Minute), "alerts": alerts})
		if err != nil {
			t.Fatal(err)
		}
		w, ok := DecodeWatched(strings.NewReader(string(text)), time.Time{})
		if !ok {
			t.Fatalf("not read: %s", text)
		}
		return w
	}
	var all []string
	for i := range many {
		all = append(all, fmt.Sprintf("Alert%02d", i))
	}
	for _, name := range all {
		for why, got := range map[string][]Incident{
			"watch has many":       joined(group(fired(name), time.Now(), minStep).Incidents, []Watched{told(all...)}),
			"the history has many": joined(group(fired(all...), time.Now(), minStep).Incidents, []Watched{told(name)}),
		} {
			if len(got) != 1 || got[0].Watch == nil || len(got[0].Alerts) > perIncident {
				t.Errorf("%s, and the other one %s: %+v", why, name, got)
			}
		}
	}
	if alone := joined(nil, []Watched{told(all...)}); len(alone) != 1 || fmt.Sprint(alone[0].Alerts) != fmt.Sprint(all[:perIncident]) || alone[0].Series != many {
		t.Errorf("without a history: %+v", alone)
	}
}
