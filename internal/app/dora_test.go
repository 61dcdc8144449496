package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/dora"
	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/watch"
)

// TestDelivery deploys two versions of a service, one after the other, beside a running
// stack. The second fails: an alert opens an incident, which ends when the alert is
// resolved. The figures must be those of what happened, exactly where the clock of
// the incident counts, and between deployment and report where a version must be seen.
func TestDelivery(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	c := config(t, "otlp", "jaeger", "prometheus", "console")
	c.Stack.ScrapeInterval = time.Second
	s := start(t, c)
	client, err := prometheus.New(s.Endpoints()[endpoint.Prometheus], nil)
	if err != nil {
		t.Fatal(err)
	}
	git, committed := tagged(t, "2.0.0", time.Now().Add(-time.Hour))
	d := app.Delivery{Since: 10 * time.Minute, Metrics: dora.Metrics{Client: client}, Incidents: t.TempDir(), Git: map[string]string{"": git}}
	report := func() dora.Report {
		t.Helper()
		r, err := d.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}

	w, webhook := watcher(t, d.Incidents, s)
	end := deploy(t, s, "1.0.0", http.StatusOK)
	until(t, "version 1.0.0 is seen", func() bool { return len(report().Services) == 1 })
	if r := report(); r.Frequency.Deployments != 0 || r.Failures.Ratio != nil {
		t.Fatalf("the first version is no deployment: %+v", r)
	}
	end()
	deployed := time.Now()
	defer deploy(t, s, "2.0.0", http.StatusInternalServerError)()
	until(t, "version 2.0.0 is seen", func() bool { return report().Frequency.Deployments == 1 })
	seen := time.Now()

	began := time.Now().Truncate(time.Millisecond)
	alert(t, webhook, began, time.Time{})
	until(t, "the incident counts", func() bool { r := report(); return r.Failures.Failed == 1 && r.Recovery.Open == 1 })
	ended := began.Add(6 * time.Second)
	time.Sleep(time.Until(ended))
	alert(t, webhook, began, ended)
	until(t, "the incident is over", func() bool { return report().Recovery.Known == 1 })

	r := report()
	if err := dora.Text(&logWriter{t}, r); err != nil {
		t.Fatal(err)
	}
	v := r.Deployments[0]
	if v.Service != "shop" || v.Version != "2.0.0" || v.Before != "1.0.0" || v.Rollback || !v.Failed {
		t.Errorf("deployment %+v", v)
	}
	if v.Seen.Before(deployed) || v.Seen.After(seen) {
		t.Errorf("version 2.0.0 was deployed after %v and reported before %v, as seen at %v", deployed, seen, v.Seen)
	}
	if want := v.Seen.Sub(committed).Seconds(); v.LeadTimeS == nil || *v.LeadTimeS != want || r.Lead.MedianS == nil || *r.Lead.MedianS != want || r.Lead.Known != 1 {
		t.Errorf("lead time %+v, want %v s", r.Lead, want)
	}
	if r.Frequency.Deployments != 1 || r.Frequency.PerDay != nil || r.Failures.Ratio == nil || *r.Failures.Ratio != 1 {
		t.Errorf("frequency %+v, failures %+v", r.Frequency, r.Failures)
	}
	kept, err := watch.Read(d.Incidents, nil)
	if err != nil || len(kept) != 1 || !kept[0].Recovered.Equal(ended) || kept[0].Began.After(began) {
		t.Fatalf("the watch has %d incidents, %v; want one that ended at %v", len(kept), err, ended)
	}
	want := ended.Sub(kept[0].Began).Seconds() // a sure diagnosis may find that it began before the alert
	if r.Recovery.MeanS == nil || *r.Recovery.MeanS != want || r.Restore.MeanS == nil || *r.Restore.MeanS != want {
		t.Errorf("recovery %+v, restore %+v, want %v s", r.Recovery, r.Restore, want)
	}
	viaHTTP := d
	viaHTTP.Incidents = w + "/incidents"
	if h, err := viaHTTP.Report(t.Context()); err != nil || h.Recovery.Known != 1 {
		t.Errorf("with the history by HTTP: %+v, %v", h.Recovery, err)
	}
	blind := app.Delivery{Since: d.Since, Metrics: d.Metrics, Incidents: d.Incidents + "/none"}
	b, err := blind.Report(t.Context())
	if text := strings.Join(b.Missing, "\n"); err != nil || b.Failures.Ratio != nil || b.Lead.MedianS != nil || !strings.Contains(text, "no git: lead time unknown") || !strings.Contains(text, "no incidents are recorded") {
		t.Errorf("without git and incidents: %+v, %v", b, err)
	}
}

type logWriter struct{ *testing.T }

func (l *logWriter) Write(p []byte) (int, error) {
	l.Logf("%s", bytes.TrimRight(p, "\n"))
	return len(p), nil
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !done(); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 90 s: %s", what)
		}
	}
}

// tagged returns a repository with one commit, which has a tag.
func tagged(t *testing.T, tag string, at time.Time) (dir string, committed time.Time) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	dir, committed = t.TempDir(), at.Truncate(time.Second)
	for _, args := range [][]string{{"init", "-q"}, {"commit", "-q", "--allow-empty", "-m", "change"}, {"tag", "v" + tag}} {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE="+committed.Format(time.RFC3339), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return dir, committed
}

// deploy runs a version of a service until the function that it returns is called. Every
// request gets the status.
func deploy(t *testing.T, s *app.Server, version string, status int) (end func()) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.Endpoints()[endpoint.OTLPGRPC])
	rt, err := setup.Start(t.Context(), "shop", setup.WithVersion(version), setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", rt.Telemetry.MetricsHandler())
	mux.HandleFunc("GET /items", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	srv := httptest.NewServer(httpmw.Handler(mux, httpmw.WithTelemetry(rt.Telemetry)))
	targets := fmt.Sprintf(`[{"targets": [%q], "labels": {"job": "shop"}}]`, strings.TrimPrefix(srv.URL, "http://"))
	if err := os.WriteFile(s.TargetsFile(), []byte(targets), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if resp, err := http.Get(srv.URL + "/items"); err == nil {
				resp.Body.Close()
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return func() {
		stop()
		srv.Close()
		_ = rt.Shutdown(context.WithoutCancel(ctx))
	}
}

// watcher runs `tenhop watch` on the stack and returns its address and that of its webhook.
func watcher(t *testing.T, dir string, s *app.Server) (base, webhook string) {
	t.Helper()
	cfg := collect.Config{Prometheus: s.Endpoints()[endpoint.Prometheus], Jaeger: s.Endpoints()[endpoint.Jaeger]}
	w, err := watch.New(watch.Config{Dir: dir, Diagnose: app.DiagnoseAlert(cfg), Timing: watch.Timing{Settle: 100 * time.Millisecond, Quiet: 2 * time.Second, Patience: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: w.Handler(l.Addr(), "", nil), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(l) }()
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); w.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran; srv.Close() })
	base = "http://" + l.Addr().String()
	return base, base + "/alerts"
}

// alert posts an alert about the service as Alertmanager does. A zero end is firing.
func alert(t *testing.T, webhook string, from, to time.Time) {
	t.Helper()
	status := "firing"
	if !to.IsZero() {
		status = "resolved"
	}
	body, err := json.Marshal(map[string]any{"version": "4", "alerts": []any{map[string]any{"status": status, "startsAt": from, "endsAt": to,
		"labels": map[string]string{"alertname": "Errors", "service_name": "shop"}}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(webhook, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the webhook answers %s", resp.Status)
	}
}
