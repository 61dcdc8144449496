package promserver_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tenhop/tenhop/stack/promserver"
)

const patience = 20 * time.Second

// open starts a server that scrapes and evaluates ten times a second.
func open(t *testing.T, dir string, opts ...promserver.Option) (*promserver.Server, string) {
	t.Helper()
	s, err := promserver.Open(dir, append([]promserver.Option{
		promserver.WithScrapeInterval(100 * time.Millisecond),
		promserver.WithEvaluationInterval(100 * time.Millisecond),
		promserver.WithLogger(slog.New(slog.DiscardHandler)),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return s, srv.URL
}

// target serves a gauge and a histogram, classic and native, with an exemplar.
func target(t *testing.T) (prometheus.Gauge, promserver.StaticTarget) {
	t.Helper()
	reg := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "load", Help: "Load."})
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "took_seconds", Help: "Time.", Buckets: []float64{.1, 1}, NativeHistogramBucketFactor: 1.1,
	})
	reg.MustRegister(gauge, histogram)
	histogram.(prometheus.ExemplarObserver).ObserveWithExemplar(.5, prometheus.Labels{"trace_id": "abc"})
	srv := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	t.Cleanup(srv.Close)
	return gauge, promserver.StaticTarget{
		Address: strings.TrimPrefix(srv.URL, "http://"),
		Labels:  map[string]string{"job": "payment"},
	}
}

func body(t *testing.T, u string) string {
	t.Helper()
	resp, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func eventually(t *testing.T, u string, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		got, missing := body(t, u), ""
		for _, w := range want {
			if !strings.Contains(got, w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never answered %q; last: %s", u, missing, got)
		}
	}
}

func query(expr string) string { return "/api/v1/query?query=" + url.QueryEscape(expr) }

func closeServer(t *testing.T, s *promserver.Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestScrapesClassicAndNativeHistogramsWithExemplars(t *testing.T) {
	_, st := target(t)
	s, base := open(t, t.TempDir(), promserver.WithStaticTargets(st))
	defer closeServer(t, s)
	eventually(t, base+query(`took_seconds_bucket{job="payment",le="1.0"}`), `,"1"]`)
	eventually(t, base+query(`histogram_count(took_seconds)`), `,"1"]`)
	eventually(t, base+"/api/v1/query_exemplars?query=took_seconds_bucket", `"trace_id":"abc"`)
	eventually(t, base+"/api/v1/targets", `"health":"up"`, `"job":"payment"`)
	eventually(t, base+"/api/v1/metadata?metric=took_seconds", `"type":"histogram"`)
	eventually(t, base+"/api/v1/label/job/values", `"payment"`)
	eventually(t, base+"/api/v1/series?match[]=load", `"__name__":"load"`)
	eventually(t, base+"/api/v1/status/buildinfo", `"version":`)
	eventually(t, base+"/api/v1/status/runtimeinfo", `"storageRetention":"1d"`)
	eventually(t, base+"/api/v1/status/tsdb", `"numSeries"`)
	eventually(t, base+"/metrics", "prometheus_tsdb_head_series")
	eventually(t, base+"/-/ready", "Ready")
}

func TestBadQueriesGetPrometheusErrors(t *testing.T) {
	s, base := open(t, t.TempDir())
	defer closeServer(t, s)
	for _, path := range []string{query("rate("), "/api/v1/query_range?query=up&start=0&end=1", "/api/v1/series"} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Status, ErrorType string }
		err = json.NewDecoder(resp.Body).Decode(&answer)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusBadRequest || answer.Status != "error" || answer.ErrorType != "bad_data" {
			t.Errorf("%s: %s %+v %v", path, resp.Status, answer, err)
		}
	}
}

const ruleFile = `
groups:
  - name: load
    rules:
      - record: load:double
        expr: load * 2
      - alert: LoadHigh
        expr: load > 10
        labels: {severity: page}
        annotations: {summary: "load is {{ $value }} on {{ $labels.job }}"}
`

func TestRulesRecordAndAlertsReachTheWebhook(t *testing.T) {
	gauge, st := target(t)
	posts := make(chan map[string]any, 16)
	failures := 2 // the receiver is down at first
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failures > 0 {
			failures--
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		var p map[string]any
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		posts <- p
	}))
	defer hook.Close()
	u, err := url.Parse(hook.URL)
	if err != nil {
		t.Fatal(err)
	}
	s, base := open(t, t.TempDir(), promserver.WithStaticTargets(st), promserver.WithWebhook(u),
		promserver.WithRules(fstest.MapFS{"load.yaml": {Data: []byte(ruleFile)}, "README.md": {Data: []byte("no rules")}}))
	defer closeServer(t, s)

	gauge.Set(21)
	eventually(t, base+query("load:double"), `,"42"]`)
	eventually(t, base+"/api/v1/rules", `"name":"LoadHigh"`, `"state":"firing"`)
	eventually(t, base+"/api/v1/alerts", `"summary":"load is 21 on payment"`)
	firing := receive(t, posts)
	gauge.Set(1)
	resolved := receive(t, posts)

	alert := firing["alerts"].([]any)[0].(map[string]any)
	labels, annotations := alert["labels"].(map[string]any), alert["annotations"].(map[string]any)
	if firing["version"] != "4" || firing["status"] != "firing" || firing["groupLabels"].(map[string]any)["alertname"] != "LoadHigh" ||
		labels["severity"] != "page" || labels["job"] != "payment" || annotations["summary"] != "load is 21 on payment" ||
		alert["endsAt"] != "0001-01-01T00:00:00Z" || alert["fingerprint"] == "" || alert["generatorURL"] == "" {
		t.Errorf("firing: %v", firing)
	}
	if resolved["status"] != "resolved" || resolved["alerts"].([]any)[0].(map[string]any)["endsAt"] == "0001-01-01T00:00:00Z" {
		t.Errorf("resolved: %v", resolved)
	}
}

func receive(t *testing.T, posts chan map[string]any) map[string]any {
	t.Helper()
	select {
	case p := <-posts:
		return p
	case <-time.After(patience):
		t.Fatal("nothing reached the webhook")
		return nil
	}
}

func TestRulesThatDoNotParseStopTheStart(t *testing.T) {
	_, err := promserver.Open(t.TempDir(), promserver.WithLogger(slog.New(slog.DiscardHandler)),
		promserver.WithRules(fstest.MapFS{"bad.yaml": {Data: []byte("groups: [{name: g, rules: [{record: a, expr: 'rate('}]}]")}}))
	if err == nil || !strings.Contains(err.Error(), "bad.yaml") {
		t.Errorf("%v", err)
	}
}

func TestTargetsFileIsReadAgain(t *testing.T) {
	_, st := target(t)
	path := filepath.Join(t.TempDir(), "targets.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, base := open(t, t.TempDir(), promserver.WithTargetsFile(path))
	defer closeServer(t, s)
	write(`[{"targets":["` + st.Address + `"],"labels":{"job":"first"}}]`)
	eventually(t, base+query(`up{job="first"}`), `,"1"]`)
	write(`not JSON`) // leaves the targets as they are
	write(`[{"targets":["` + st.Address + `"],"labels":{"job":"second"}}]`)
	eventually(t, base+query(`up{job="second"}`), `,"1"]`)
	eventually(t, base+query(`count(up{job="first"}) or vector(-1)`), `"-1"]`) // gone, and stale at once
}

func TestSamplesSurviveRestart(t *testing.T) {
	gauge, st := target(t)
	gauge.Set(7)
	dir := t.TempDir()
	s, base := open(t, dir, promserver.WithStaticTargets(st))
	eventually(t, base+query("load"), `,"7"]`)
	closeServer(t, s)
	s, base = open(t, dir)
	defer closeServer(t, s)
	eventually(t, base+query("max_over_time(load[1h])"), `,"7"]`)
}

// A query over every series and the longest range that the API accepts fails
// before it fills the memory.
func TestExpensiveQueriesFail(t *testing.T) {
	reg := prometheus.NewRegistry()
	many := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "many", Help: "Many."}, []string{"n"})
	reg.MustRegister(many)
	for i := range 1000 {
		many.WithLabelValues(strconv.Itoa(i)).Set(1)
	}
	srv := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	defer srv.Close()
	s, base := open(t, t.TempDir(), promserver.WithStaticTargets(promserver.StaticTarget{Address: strings.TrimPrefix(srv.URL, "http://")}))
	defer closeServer(t, s)
	eventually(t, base+query(`count(many)`), `,"1000"]`)
	now := float64(time.Now().UnixMilli()) / 1000
	got := body(t, base+fmt.Sprintf("/api/v1/query_range?query=many&start=%f&end=%f&step=0.001", now, now+10.9))
	if !strings.Contains(got, "query processing would load too many samples into memory") {
		t.Errorf("%.300s", got)
	}
}

// A page of another site must not read the metrics.
func TestOtherOriginsDoNotRead(t *testing.T) {
	s, base := open(t, t.TempDir())
	defer closeServer(t, s)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+query("up"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://evil.example")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != http.StatusOK || got != "" {
		t.Errorf("%d, Access-Control-Allow-Origin: %q", resp.StatusCode, got)
	}
}
