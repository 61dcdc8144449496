package console

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestGuard(t *testing.T) {
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Hosts = []string{"Console.Example"} })
	for _, x := range []struct {
		host string
		want int
		why  string
	}{
		{"127.0.0.1:8000", 200, "an address cannot be rebound"},
		{"[::1]:8000", 200, "nor can this one"},
		{"localhost:8000", 200, "browsers resolve it themselves"},
		{"tenhop.localhost", 200, "and names below it"},
		{"console.example:8000", 200, "it is allowed"},
		{"CONSOLE.example.", 200, "names have no case, and may end in a dot"},
		{"evil.example:8000", 421, "its owner may point it at this machine"},
		{"127.0.0.1.evil.example", 421, "a name that starts like an address is a name"},
		{"", 421, "no name is no known name"},
	} {
		if got := do(c, "GET", "/api/config", "", "Host", x.host).Code; got != x.want {
			t.Errorf("Host %q: %d, want %d: %s", x.host, got, x.want, x.why)
		}
	}
	for _, bad := range []string{"console.example:8000", "http://console.example", ""} {
		if _, err := New(Config{Hosts: []string{bad}}); err == nil || !strings.Contains(err.Error(), "without scheme and port") {
			t.Errorf("the name %q can never match, and New says %v", bad, err)
		}
	}
	w := do(c, "GET", "/", "")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") || strings.Contains(csp, "unsafe") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
}

func TestActionsNeedTheToken(t *testing.T) {
	b := newBackends(t)
	c := newConsole(t, b, nil)
	const fault = `{"service":"payment","fault":{"kind":"latency","latency":"500ms","for":"1m","percent":100}}`
	for _, x := range []struct {
		name    string
		headers []string
		want    int
	}{
		{"no token", nil, 401},
		{"wrong token", []string{"Authorization", "Bearer nope"}, 401},
		{"token without its scheme", []string{"Authorization", token}, 401},
		{"another site, even with the token", []string{"Authorization", "Bearer " + token, "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{"a form's type", []string{"Authorization", "Bearer " + token, "Content-Type", "text/plain"}, 415},
		{"token", []string{"Authorization", "Bearer " + token}, 200},
	} {
		if w := do(c, "POST", "/api/faults", fault, x.headers...); w.Code != x.want {
			t.Errorf("%s: %d %s, want %d", x.name, w.Code, w.Body, x.want)
		}
	}
	if w := do(c, "POST", "/api/faults?token="+token, fault); w.Code != 401 {
		t.Errorf("a token in the URL was taken: %d", w.Code)
	}
	if len(b.faults) != 1 {
		t.Errorf("%d faults were injected, want 1", len(b.faults))
	}
	for _, path := range []string{"POST /api/drill", "POST /api/drill/answer", "DELETE /api/drill", "DELETE /api/faults", "GET /api/faults"} {
		method, target, _ := strings.Cut(path, " ")
		if w := do(c, method, target, ""); w.Code != 401 {
			t.Errorf("%s without token: %d", path, w.Code)
		}
	}
	off := newConsole(t, b, func(cfg *Config) { cfg.Token = "" })
	if w := do(off, "POST", "/api/faults", fault, "Authorization", "Bearer "); w.Code != 403 {
		t.Errorf("without a configured token: %d, want 403", w.Code)
	}
}

func TestFaults(t *testing.T) {
	b := newBackends(t)
	c := newConsole(t, b, nil)
	auth := []string{"Authorization", "Bearer " + token}
	for body, want := range map[string]int{
		`{"service":"payment","fault":{"kind":"latency","latency":"1s","percent":100,"for":"2m","sealed":true}}`: 200,
		`{"service":"payment","fault":{"kind":"latency","latency":"1s","percent":100}}`:                          400, // lasts for ever
		`{"service":"payment","fault":{"kind":"latency","latency":"1s","percent":100,"for":"48h"}}`:              400,
		`{"service":"nobody","fault":{"kind":"latency","latency":"1s","percent":100,"for":"2m"}}`:                400,
		`{"service":"payment","fault":{"kind":"latency","latency":"1s","operation":"nowhere","for":"2m"}}`:       400,
		`{"service":"payment","surprise":1}`: 400,
		`{`:                                  400,
	} {
		if w := do(c, "POST", "/api/faults", body, auth...); w.Code != want {
			t.Errorf("%s: %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
	if len(b.faults) != 1 || strings.Contains(b.faults[0], `"sealed":true`) {
		t.Errorf("injected: %v; a fault by hand is never sealed", b.faults)
	}
	if w := do(c, "DELETE", "/api/faults", "", auth...); w.Code != 200 || b.lifted != 2 {
		t.Errorf("clear: %d, lifted at %d processes", w.Code, b.lifted)
	}
}

func TestPages(t *testing.T) {
	c := newConsole(t, newBackends(t), nil)
	for _, path := range []string{"/", "/diagnose", "/search?service=payment", "/trace/0102", "/compare?a=1&b=2", "/dashboards", "/d/tenhop-slo", "/d/tenhop-slo/slo", "/drills"} {
		w := do(c, "GET", path, "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), `<script type="module"`) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
	}
	for _, path := range []string{"/nothing", "/assets/", "/assets/../console.go", "/api/nothing", "/dist/index.html.gz"} {
		if w := do(c, "GET", path, ""); w.Code == 200 {
			t.Errorf("%s is served", path)
		}
	}
	// A browser gets the page, which says that there is no such page.
	if w := do(c, "GET", "/nothing", "", "Accept", "text/html,*/*"); w.Code != 404 || !strings.Contains(w.Body.String(), `<script type="module"`) {
		t.Errorf("a mistyped path: %d %s", w.Code, w.Body)
	}
	if w := do(c, "GET", "/api/nothing", "", "Accept", "text/html"); w.Code != 404 || strings.Contains(w.Body.String(), "<script") {
		t.Errorf("a mistyped path of the API: %d %s", w.Code, w.Body)
	}
}

// The page is served as it was compressed, or unpacked for who cannot, and
// stays within its budget.
func TestAssets(t *testing.T) {
	c := newConsole(t, newBackends(t), nil)
	var total int64
	err := fs.WalkDir(dist, "dist", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		total += info.Size()
		name, ok := strings.CutSuffix(strings.TrimPrefix(path, "dist"), ".gz")
		if !ok || name == "/index.html" {
			return nil
		}
		packed := do(c, "GET", name, "", "Accept-Encoding", "gzip")
		plain := do(c, "GET", name, "")
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			return err
		}
		unpacked, err := io.ReadAll(z)
		if err != nil {
			return err
		}
		if string(unpacked) != plain.Body.String() || packed.Header().Get("Content-Encoding") != "gzip" || plain.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s differs compressed", name)
		}
		if !strings.Contains(packed.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: Cache-Control %q", name, packed.Header().Get("Cache-Control"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const budget = 300_000
	t.Logf("the page is %d bytes compressed, of %d", total, budget)
	if total > budget {
		t.Errorf("the page is %d bytes compressed, more than %d", total, budget)
	}
}

func TestPassOn(t *testing.T) {
	b := newBackends(t)
	c := newConsole(t, b, nil)
	if w := do(c, "GET", "/api/prometheus/query?query=up", ""); w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("query: %d", w.Code)
	}
	before := len(b.asked)
	for _, path := range []string{"admin/tsdb/delete_series", "status/config", "label/x", "label/../../admin/values", "targets"} {
		if w := do(c, "GET", "/api/prometheus/"+path, ""); w.Code == 200 {
			t.Errorf("%s was passed on", path)
		}
	}
	if w := do(c, "POST", "/api/prometheus/query", `{}`); w.Code == 200 {
		t.Error("a POST was passed on")
	}
	for _, path := range b.asked[before:] {
		if strings.Contains(path, "admin") || strings.Contains(path, "status") {
			t.Errorf("the source was asked %s", path)
		}
	}
}

func TestSourcesMissing(t *testing.T) {
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Prometheus, cfg.Jaeger, cfg.Loki, cfg.Storefront = "", "", "", nil })
	for path, want := range map[string]int{
		"/api/services": 503, "/api/traces/aa": 503, "/api/diagnose": 503, "/api/prometheus/query?query=up": 503,
		"/api/drill/choices": 503, "/api/dashboards": 200, "/api/config": 200,
	} {
		if w := do(c, "GET", path, ""); w.Code != want {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
	gone := newBackends(t)
	c = newConsole(t, gone, nil)
	gone.Close()
	w := do(c, "GET", "/api/services", "")
	if w.Code != http.StatusBadGateway || !strings.Contains(w.Body.String(), "tenhop status") {
		t.Errorf("a source that is gone: %d %s", w.Code, w.Body)
	}
	if got := c.hops.Snapshot(t.Context()).Error; !strings.Contains(got, "tenhop status") {
		t.Errorf("the map of a source that is gone says %q", got)
	}
	if _, err := New(Config{Jaeger: "localhost:16686"}); err == nil {
		t.Error("a URL without a scheme was taken")
	}
	if _, err := New(Config{Jaeger: "jaeger://user:secret@host:16686"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a URL with a password in the wrong scheme: %v", err)
	}
}

// TestDiagnosisIsShared: pages that ask the same at the same time make the
// sources work once.
func TestDiagnosisIsShared(t *testing.T) {
	b := newBackends(t)
	c := newConsole(t, b, nil)
	for range maxDiagnoses {
		c.diagnosing <- struct{}{} // others run
	}
	asked := make(chan any, 2)
	for range cap(asked) {
		go func() {
			_, err := c.shared(t.Context(), question{entry: "POST /checkout", since: time.Minute})
			asked <- err
		}()
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	if _, err := c.shared(left, question{entry: "POST /checkout", since: time.Minute}); !errors.Is(err, context.Canceled) {
		t.Errorf("a page that left still waits: %v", err)
	}
	b.mu.Lock()
	if len(b.asked) > 0 {
		t.Errorf("beyond the bound, sources were asked %q", b.asked)
	}
	b.mu.Unlock()
	for range maxDiagnoses {
		<-c.diagnosing
	}
	for range cap(asked) {
		<-asked
	}
	services := 0
	for _, q := range b.asked {
		if strings.HasPrefix(q, "/api/services") {
			services++
		}
	}
	if services != 1 {
		t.Errorf("Jaeger was asked for its services %d times, want once", services)
	}
}
