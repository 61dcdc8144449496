package prometheus_test

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

func client(t *testing.T, srv *httptest.Server) *prometheus.Client {
	t.Helper()
	c, err := prometheus.New(srv.URL, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestQueries(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	end := start.Add(10 * time.Second)
	srv := promtest.Serve(t, start, end, promtest.Target{Job: "shop", Instance: "a", Every: 2 * time.Second, Counters: []promtest.Counter{
		{Name: "requests_total", Labels: map[string]string{"code": "200"}, At: func(at time.Time) float64 { return at.Sub(start).Seconds() }},
		{Name: "requests_total", Labels: map[string]string{"code": "500"}, At: func(time.Time) float64 { return math.Inf(1) }}}})
	c := client(t, srv)
	now, err := c.Instant(t.Context(), `sum by (code) (requests_total)`, end)
	if err != nil || len(now) != 1 || now[0].Labels["code"] != "200" || now[0].Value != 10 {
		t.Errorf("%+v, %v; want the finite one", now, err)
	}
	raw, err := c.Matrix(t.Context(), `requests_total{code="200"}[5s]`, end)
	if err != nil || len(raw) != 1 || len(raw[0].Samples) != 3 || raw[0].Samples[0] != (prometheus.Sample{At: start.Add(6 * time.Second), Value: 6}) {
		t.Errorf("%+v, %v; want the scrapes of 6, 8 and 10 s", raw, err)
	}
	steps, err := c.Range(t.Context(), `requests_total{code="200"}`, start, end, 5*time.Second)
	if err != nil || len(steps) != 1 || len(steps[0].Samples) != 3 || steps[0].Samples[1] != (prometheus.Sample{At: start.Add(5 * time.Second), Value: 4}) {
		t.Errorf("%+v, %v; want the values at 0, 5 and 10 s", steps, err)
	}
	if _, err := c.Instant(t.Context(), "sum(", end); err == nil || !strings.Contains(err.Error(), "refuses the query: ") {
		t.Errorf("error %v, want Prometheus's own words", err)
	}
}

func TestLabelValues(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/label/entry/values" || r.FormValue("match[]") != "requests_total" {
			t.Errorf("asked %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"status":"success","data":["GET /","POST /pay"]}`)
	}))
	defer srv.Close()
	if got, err := client(t, srv).LabelValues(t.Context(), "entry", "requests_total"); err != nil || !slices.Equal(got, []string{"GET /", "POST /pay"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAlerts(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/alerts" {
			t.Errorf("asked %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"status":"success","data":{"alerts":[{"labels":{"alertname":"Slow"},"annotations":{"summary":"s"},"state":"firing","activeAt":"2026-01-01T00:00:00Z","value":"1"}]}}`)
	}))
	defer srv.Close()
	got, err := client(t, srv).Alerts(t.Context())
	if err != nil || len(got) != 1 || got[0].Labels["alertname"] != "Slow" || got[0].State != "firing" || got[0].Annotations["summary"] != "s" {
		t.Errorf("%+v, %v", got, err)
	}
}

// What is no Prometheus must not look like a Prometheus without series.
func TestWhatIsNoPrometheus(t *testing.T) {
	for _, c := range []struct {
		body, says string
		status     int
	}{
		{"404 page not found", "answers 404 Not Found: 404 page not found", http.StatusNotFound},
		{"<html>", "answers 502 Bad Gateway: an HTML page", http.StatusBadGateway},
		{"<html>", "does not answer like Prometheus: it is an HTML page", http.StatusOK},
		{"{}", "does not answer like Prometheus", http.StatusOK},
		{`{"status":"success","data":[1]}`, "does not answer like Prometheus", http.StatusOK},
		{`{"status":"success","data":{"result":[{"metric":{},"value":[1,"x"]}]}}`, "parsing", http.StatusOK},
		{`{"status":"error","error":"expanding series: \u001b[2Jno"}`, "refuses the query: expanding series:  [2Jno", http.StatusUnprocessableEntity},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		if _, err := client(t, srv).Instant(t.Context(), "up", time.Time{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q", c.body, err, c.says)
		}
		srv.Close()
	}
}

// A native histogram has no one value, and costs no other series its own.
func TestNativeHistogram(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"1"},"histogram":[1,{"count":"2"}]},{"metric":{"a":"2"},"value":[1,"5"]}]}}`)
	}))
	defer srv.Close()
	got, err := client(t, srv).Instant(t.Context(), "x", time.Time{})
	if err != nil || len(got) != 1 || got[0].Value != 5 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Prometheus's --web.route-prefix, Mimir's and Thanos's prefixes and VictoriaMetrics's
// tenants are paths before the API's.
func TestPrefix(t *testing.T) {
	var asked string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		_, _ = w.Write([]byte(`{"status":"success","data":{"result":[]}}`))
	}))
	defer srv.Close()
	for _, prefix := range []string{"", "/", "/prometheus", "/prometheus/", "/select/0:1/prometheus", "/thanos/query/"} {
		c, err := prometheus.New(srv.URL+prefix, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Instant(t.Context(), "up", time.Time{}); err != nil || asked != strings.TrimSuffix(prefix, "/")+"/api/v1/query" {
			t.Errorf("%s: asked %s, %v", prefix, asked, err)
		}
	}
}
