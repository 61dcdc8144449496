package dashboards_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
)

// release deploys two versions of a service beside the storefront. The second has a tag in
// the directory's repository, and an incident follows it. It returns when the delivery
// metrics show that.
func release(ctx context.Context, t *testing.T, s *uptest.Storefront) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	for _, args := range [][]string{{"init", "-q"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "change"}, {"tag", "v2.0.0"}} {
		if out, err := exec.CommandContext(ctx, "git", append([]string{"-C", s.Dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	push(ctx, t, s, "1.0.0")
	uptest.Sleep(ctx, 10*time.Second)
	push(ctx, t, s, "2.0.0")
	const incident = `{"id": "release", "state": "closed", "posted": true, "said": [], "began": %[1]q, "paged": %[1]q, "recovered": %[2]q, "firing_since": %[1]q, "last_alert": %[1]q,
		"alerts": {"a": {"labels": {"alertname": "HopErrors", "service_name": "releases"}, "starts_at": %[1]q, "ends_at": %[2]q}}}`
	now := time.Now()
	dir := filepath.Join(s.Dir, ".tenhop", "watch")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(incident, now.Format(time.RFC3339Nano), now.Add(time.Second).Format(time.RFC3339Nano))
	if err := os.WriteFile(filepath.Join(dir, "release.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience + time.Minute); ; uptest.Sleep(ctx, 2*time.Second) {
		if v, ok := s.Value(ctx, `max(tenhop_dora_recovery_seconds)`); ok {
			if v != 1 {
				t.Errorf("the incident took 1 s, the metric says %v", v)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the delivery metrics do not show the incident")
		}
	}
}

// push sends a metric of a version of a service over OTLP.
func push(ctx context.Context, t *testing.T, s *uptest.Storefront, version string) {
	t.Helper()
	body := fmt.Sprintf(`{"resourceMetrics": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "releases"}},
		{"key": "service.instance.id", "value": {"stringValue": %[1]q}}, {"key": "service.version", "value": {"stringValue": %[1]q}}]},
		"scopeMetrics": [{"metrics": [{"name": "released", "gauge": {"dataPoints": [{"timeUnixNano": "%[2]d", "asDouble": 1}]}}]}]}]}`, version, time.Now().UnixNano())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoints["otlp_http"]+"/v1/metrics", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("OTLP answers %s", resp.Status)
	}
}
