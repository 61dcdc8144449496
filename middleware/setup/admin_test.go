package setup_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/middleware/setup/profiles"
)

// fetch returns the status and the body of an admin endpoint.
func fetch(t *testing.T, rt *setup.Runtime, path, token string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+rt.AdminAddr()+path, nil)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestAdmin(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	const token = "secret"
	faults := chaos.New(chaos.WithToken(token))
	rt := start(t, setup.WithAdmin(":0", setup.AdminToken(token), setup.AdminChaos(faults), setup.AdminHandler("/debug/pprof/", profiles.Handler())))
	if host, _, _ := net.SplitHostPort(rt.AdminAddr()); host != "127.0.0.1" {
		t.Errorf("it listens on %s, not on the loopback interface", rt.AdminAddr())
	}
	remove := rt.Admin.AddCheck("store", func(context.Context) error { return errors.New("no connection") })
	if code, body := fetch(t, rt, "/ready", ""); code != http.StatusServiceUnavailable || !strings.Contains(body, "no connection") {
		t.Errorf("/ready with a failed check answers %d, %s", code, body)
	}
	remove()
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{"/health", "", 200}, {"/healthz", "", 200}, {"/ready", "", 200}, {"/readyz", "", 200}, {"/metrics", "", 200},
		{"/debug/pprof/", "", 401}, {"/debug/pprof/", "wrong", 401}, {"/debug/pprof/", token, 200}, {"/debug/pprof/goroutine?debug=1", token, 200},
		{"/chaos", "", 401}, {"/chaos", token, 200}, {"/", "", 404},
	} {
		if code, _ := fetch(t, rt, c.path, c.token); code != c.want {
			t.Errorf("%s with token %q answers %d, want %d", c.path, c.token, code, c.want)
		}
	}
	_, metrics := fetch(t, rt, "/metrics", "")
	if !strings.Contains(metrics, "go_goroutines") {
		t.Error("/metrics has no process metrics")
	}
	for _, family := range []string{"hop_duration", "http_server_request"} {
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, family) {
				t.Errorf("the admin endpoints are traffic: %s", line)
			}
		}
	}
}

// Without a token or an injector there is neither.
func TestAdminWithoutToken(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	rt := start(t, setup.WithAdmin(":0", setup.AdminHandler("/debug/pprof/", profiles.Handler()), setup.AdminChaos(chaos.New())))
	for _, path := range []string{"/debug/pprof/", "/chaos"} {
		if code, _ := fetch(t, rt, path, ""); code != http.StatusNotFound {
			t.Errorf("%s answers %d", path, code)
		}
	}
}

// An address that cannot be had is an error of Start that names it, and nothing is left
// running.
func TestAdminAddress(t *testing.T) {
	t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
	t.Setenv("OTEL_LOGS_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, addr := range []string{taken.Addr().String(), "9464", "127.0.0.1:99999", "not an address"} {
		_, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(io.Discard), setup.WithAdmin(addr))
		if err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "WithAdmin") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// The deployment's host and port win over the program's.
func TestAdminAddressOfTheDeployment(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_EXPORTER_PROMETHEUS_PORT", " 0 ")
	rt := start(t, setup.WithAdmin(""))
	if host, port, _ := net.SplitHostPort(rt.AdminAddr()); host != "127.0.0.1" || port == "9464" {
		t.Errorf("it listens on %s", rt.AdminAddr())
	}
	t.Setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "localhost")
	if code, _ := fetch(t, start(t, setup.WithAdmin("192.0.2.1:9464")), "/health", ""); code != http.StatusOK {
		t.Errorf("/health answers %d", code)
	}
	t.Setenv("OTEL_EXPORTER_PROMETHEUS_PORT", "65536")
	if _, err := setup.Start(t.Context(), "shop", setup.WithAdmin("")); err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_PROMETHEUS_PORT") {
		t.Errorf("Start returns %v", err)
	}
}

// A request in flight, such as a long profile, ends with a Shutdown that is cut off.
func TestAdminShutdown(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	entered := make(chan struct{})
	slow := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	rt := start(t, setup.WithAdmin("127.0.0.1:0", setup.AdminToken("t"), setup.AdminHandler("/slow", slow)))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		req, _ := http.NewRequest(http.MethodGet, "http://"+rt.AdminAddr()+"/slow", nil)
		req.Header.Set("Authorization", "Bearer t")
		if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := rt.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returns %v", err)
	}
	<-ended
}

// foreignRegistry is a registry of another type.
type foreignRegistry struct {
	prometheus.Registerer
	prometheus.Gatherer
}

// Any pair of registerer and gatherer will do, and a registry that has the families already.
func TestRegistries(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	inner := prometheus.NewRegistry()
	other := foreignRegistry{prometheus.WrapRegistererWithPrefix("app_", inner), inner}
	rt := start(t, setup.WithRegisterer(other, other), setup.WithAdmin(":0"))
	if _, metrics := fetch(t, rt, "/metrics", ""); !strings.Contains(metrics, "app_go_goroutines") {
		t.Error("the metrics are not in the registry")
	}
	if rt.Registry != nil || rt.Gatherer == nil {
		t.Errorf("Registry %v, Gatherer %v", rt.Registry, rt.Gatherer)
	}
	full := prometheus.NewRegistry()
	for range 3 {
		start(t, setup.WithRegistry(full))
	}
	if _, err := full.Gather(); err != nil {
		t.Error(err)
	}
	if _, err := setup.Start(t.Context(), "shop", setup.WithRegisterer(other, nil)); err == nil {
		t.Error("a registerer without a gatherer is taken")
	}
}
