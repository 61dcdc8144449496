package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/drill/fleet"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/query/prometheus"
)

const token = "secret"

// helper is the environment variable with the fleet's file that makes this test program
// inject a fault and wait.
const helper = "TENHOP_TEST_INJECT"

func TestMain(m *testing.M) {
	if path := os.Getenv(helper); path != "" {
		if err := injectAndWait(path); err != nil {
			fmt.Println(err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func injectAndWait(path string) error {
	f, err := fleet.Read(path)
	if err != nil {
		return err
	}
	faults, err := f.Faults(context.Background())
	if err != nil {
		return err
	}
	if _, err := faults.Inject(context.Background(), "stock", fault); err != nil {
		return err
	}
	fmt.Println("injected")
	time.Sleep(time.Minute)
	return nil
}

var fault = chaos.Fault{Kind: "latency", Latency: chaos.Duration(time.Second), Operation: "GET /levels", Percent: 50, For: chaos.Duration(time.Minute)}

// service is a service of a fleet with a fault endpoint.
func service(t *testing.T) (*chaos.Injector, *httptest.Server) {
	t.Helper()
	i := chaos.New(chaos.WithToken(token))
	mux := http.NewServeMux()
	mux.Handle("/chaos", i.AdminHandler())
	mux.Handle("/chaos/", i.AdminHandler())
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return i, s
}

// write writes a fleet's file and the files that it names.
func write(t *testing.T, text string, targets map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	var groups []map[string]any
	for name, url := range targets {
		groups = append(groups, map[string]any{"targets": []string{strings.TrimPrefix(url, "http://")}, "labels": map[string]string{"job": name, "instance": name + "-1"}})
	}
	list, err := json.Marshal(groups)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"fleet.yaml": text, "targets.json": string(list), "token": token + "\n", "wrong": "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "fleet.yaml")
}

func inForce(i *chaos.Injector) int {
	faults, _ := i.List()
	return len(faults)
}

// soon waits until a condition holds.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

const limited = "targets: targets.json\ntoken_file: token\nallow: [stock]\nlimits: {percent: 50, for: 1m, operations: [GET /levels], kinds: [latency, error]}\n"

func TestLimits(t *testing.T) {
	stock, s := service(t)
	shop, s2 := service(t)
	f, err := fleet.Read(write(t, limited, map[string]string{"stock": s.URL, "shop": s2.URL}))
	if err != nil {
		t.Fatal(err)
	}
	faults, err := f.Faults(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*chaos.Fault)) chaos.Fault {
		out := fault
		f(&out)
		return out
	}
	for what, x := range map[string]chaos.Fault{
		"more requests":     change(func(f *chaos.Fault) { f.Percent = 51 }),
		"all requests":      change(func(f *chaos.Fault) { f.Percent = 0 }),
		"longer":            change(func(f *chaos.Fault) { f.For = chaos.Duration(61 * time.Second) }),
		"without an end":    change(func(f *chaos.Fault) { f.For = 0 }),
		"another operation": change(func(f *chaos.Fault) { f.Operation = "GET /" }),
		"all operations":    change(func(f *chaos.Fault) { f.Operation = "" }),
		"another kind":      change(func(f *chaos.Fault) { f.Kind = "freeze" }),
	} {
		var limit *drill.LimitError
		if _, err := faults.Inject(t.Context(), "stock", x); !errors.As(err, &limit) {
			t.Errorf("%s: %v", what, err)
		}
		if err := faults.Hold(t.Context(), "stock", x, func([]drill.Injected) {}); !errors.As(err, &limit) {
			t.Errorf("%s, held: %v", what, err)
		}
	}
	if _, err := faults.Inject(t.Context(), "shop", fault); err == nil {
		t.Error("a service that is not allowed has a fault")
	}
	done, err := faults.Inject(t.Context(), "stock", fault)
	if err != nil || inForce(stock) != 1 || inForce(shop) != 0 {
		t.Fatalf("%v, %d and %d in force", err, inForce(stock), inForce(shop))
	}
	var limit *drill.LimitError
	if err := faults.Hold(t.Context(), "stock", fault, func([]drill.Injected) { t.Error("two faults are in force") }); !errors.As(err, &limit) {
		t.Errorf("beside another fault: %v", err)
	}
	if err := faults.Remove(t.Context(), done); err != nil {
		t.Fatal(err)
	}
	soon(t, "the fault is not lifted", func() bool { return inForce(stock) == 0 })
}

// A fault of an injector that is killed is lifted at once.
func TestKilled(t *testing.T) {
	stock, s := service(t)
	path := write(t, limited, map[string]string{"stock": s.URL})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helper+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 256)
	n, _ := out.Read(line)
	if inForce(stock) != 1 {
		_ = cmd.Process.Kill()
		t.Fatalf("%d faults are in force: %s", inForce(stock), line[:n])
	}
	began := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	soon(t, "the fault of a killed injector is in force", func() bool { return inForce(stock) == 0 })
	t.Logf("lifted %s after the injector was killed", time.Since(began).Round(time.Millisecond))
}

// Targets come from Prometheus; the token goes to those that may have faults only.
func TestDiscovery(t *testing.T) {
	stock, s := service(t)
	var told atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			told.Add(1)
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(other.Close)
	prom := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := func(job, url string) string {
			return fmt.Sprintf(`{"labels":{"job":%q,"instance":%q},"scrapeUrl":"%s/metrics","health":"up"}`, job, job+"-1", url)
		}
		fmt.Fprintf(w, `{"status":"success","data":{"activeTargets":[%s,%s]}}`, target("stock", s.URL), target("other", other.URL))
	}))
	t.Cleanup(prom.Close)
	f, err := fleet.Read(write(t, "prometheus: "+prom.URL+"\ntoken_file: token\nallow: [stock]\n", nil))
	if err != nil {
		t.Fatal(err)
	}
	faults, err := f.Faults(t.Context())
	if err != nil || faults.Admin["stock-1"] != s.URL {
		t.Fatalf("%v %+v", err, faults.Admin)
	}
	if told.Load() > 0 {
		t.Error("the token was sent to a service that may not have faults")
	}
	if _, err := faults.Inject(t.Context(), "stock", chaos.Fault{Kind: "latency", Latency: chaos.Duration(time.Second), For: chaos.Duration(time.Minute)}); err != nil || inForce(stock) != 1 {
		t.Errorf("%v, %d in force", err, inForce(stock))
	}
	if err := faults.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	soon(t, "the fault is not lifted", func() bool { return inForce(stock) == 0 })
}

// Faults are lifted when the condition to stop is met, and when it cannot be asked for.
func TestStop(t *testing.T) {
	var burns atomic.Bool
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		state := "pending"
		if burns.Load() {
			state = "firing"
		}
		fmt.Fprintf(w, `{"status":"success","data":{"alerts":[{"labels":{"alertname":"ShopBurnsFast"},"state":%q}]}}`, state)
	}))
	t.Cleanup(api.Close)
	prom, err := prometheus.New(api.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := drill.Stop{Alerts: []string{"ShopBurnsFast"}}
	ctx, done, err := stop.Guard(t.Context(), prom)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	stock, s := service(t)
	f, err := fleet.Read(write(t, limited, map[string]string{"stock": s.URL}))
	if err != nil {
		t.Fatal(err)
	}
	faults, err := f.Faults(ctx)
	if err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 1)
	go func() { held <- faults.Hold(ctx, "stock", fault, func([]drill.Injected) { burns.Store(true) }) }()
	select {
	case <-held:
	case <-time.After(20 * time.Second):
		t.Fatal("the fault is held although the SLO burns")
	}
	if cause := context.Cause(ctx); !errors.Is(cause, drill.ErrStopped) {
		t.Error(cause)
	}
	soon(t, "the fault is not lifted", func() bool { return inForce(stock) == 0 })
	if _, _, err := stop.Guard(t.Context(), prom); err == nil {
		t.Error("a drill begins while the SLO burns")
	}
}

func TestRefused(t *testing.T) {
	_, s := service(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	at := map[string]string{"stock": s.URL, "plain": plain.URL}
	for text, want := range map[string]string{
		"targets: targets.json\ntoken_file: token\n":                       "may have faults",
		"token_file: token\nallow: [stock]\n":                              "`targets` or `prometheus`",
		"targets: targets.json\ntoken_file: token\nallow: [a]\n":           "no target is of the service",
		"targets: targets.json\ntoken_file: wrong\nallow: [stock]\n":       "the token is not",
		"targets: targets.json\ntoken_file: token\nallow: [plain]\n":       "no fault endpoint",
		"targets: targets.json\ntoken_file: none\nallow: [stock]\n":        "no such file",
		"targets: targets.json\nallow: [stock]\nlimit: {percent: 5}\n":     "limit",
		"targets: targets.json\nallow: [stock]\nstop: {alerts: [a]}\n":     "needs `prometheus`",
		"targets: targets.json\nallow: [stock]\nlimits: {percent: 101}\n":  "percent",
		"targets: targets.json\nallow: [stock]\nlimits: {percent: .nan}\n": "percent",
	} {
		f, err := fleet.Read(write(t, text, at))
		if err == nil {
			_, err = f.Faults(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
