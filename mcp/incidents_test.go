package mcp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
