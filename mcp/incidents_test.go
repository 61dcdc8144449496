package mcp

import (
	"context"
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
