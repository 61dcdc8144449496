package polyglot_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// programs holds what the services need, installed once per run.
type programs struct{ tenhop, shop, python, prices string }

// build builds tenhop and the Go services and installs the others' packages. It skips the
// test where Python, Node or their packages cannot be had.
func build(t *testing.T) *programs {
	t.Helper()
	dir := os.Getenv("TENHOP_POLYGLOT_DIR") // keeps the packages for the next run
	if dir == "" {
		dir = t.TempDir()
	}
	p := &programs{tenhop: os.Getenv("TENHOP_BIN"), shop: filepath.Join(dir, "shop"),
		python: filepath.Join(dir, "venv", "bin"), prices: filepath.Join(dir, "prices")}
	for _, name := range []string{"python3", "node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIPPED: there is no %s, so no services in Python and Node were diagnosed", name)
		}
	}
	if p.tenhop == "" {
		p.tenhop = filepath.Join(dir, "tenhop")
		command(t, false, "../..", nil, "go", "build", "-o", p.tenhop, "./cmd/tenhop")
	}
	command(t, false, "shop", []string{"GOWORK=off"}, "go", "build", "-o", p.shop, ".")
	if _, err := os.Stat(filepath.Join(p.python, "opentelemetry-instrument")); err != nil {
		command(t, true, ".", nil, "python3", "-m", "venv", filepath.Dir(p.python))
		command(t, true, ".", nil, filepath.Join(p.python, "pip"), "install", "-q", "-r", "stock/requirements.txt")
	}
	if err := os.MkdirAll(p.prices, 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "app.js"} {
		content, err := os.ReadFile(filepath.Join("prices", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(p.prices, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(p.prices, "node_modules", "express")); err != nil {
		command(t, true, p.prices, nil, "npm", "install", "--no-audit", "--no-fund", "--silent")
	}
	return p
}

// command runs a command. If it fails, the test fails or, if the command needs the
// network, is skipped.
func command(t *testing.T, network bool, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	switch out, err := cmd.CombinedOutput(); {
	case err != nil && network:
		t.Skipf("SKIPPED: no services in Python and Node were diagnosed: %s %s: %v\n%.2000s", name, strings.Join(args, " "), err, out)
	case err != nil:
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// fleet is the running stack with the services.
type fleet struct {
	*programs
	dir       string
	endpoints map[string]string
	shopURL   string
}

func (p *programs) start(t *testing.T, metrics bool) *fleet {
	t.Helper()
	f := &fleet{programs: p, dir: t.TempDir()}
	args := []string{"stack", "otlp", "jaeger", "prometheus", "loki", "console", "--dir", f.dir}
	for _, e := range []string{"otlp_http", "otlp_grpc", "jaeger", "jaeger_thrift", "jaeger_udp", "prometheus", "loki", "console"} {
		args = append(args, "--listen", e+"=127.0.0.1:0")
	}
	f.process(t, "stack", f.dir, nil, p.tenhop, args...)
	wait(t, "the stack", func() error {
		content, err := os.ReadFile(filepath.Join(f.dir, ".tenhop", "up.json"))
		if err != nil {
			return err
		}
		var up struct {
			Endpoints map[string]string `json:"endpoints"`
		}
		err = json.Unmarshal(content, &up)
		f.endpoints = up.Endpoints
		return err
	})
	shop, prices, stock, ledger := free(t), free(t), free(t), free(t)
	env := func(name, address string, more ...string) []string {
		exporter := "none"
		if metrics {
			exporter = "otlp"
		}
		_, port, _ := net.SplitHostPort(address)
		return append(more, "PORT="+port, "FAULT_FILE="+filepath.Join(f.dir, name+".fault"), "OTEL_SERVICE_NAME="+name,
			"OTEL_EXPORTER_OTLP_ENDPOINT="+f.endpoints["otlp_http"], "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
			"OTEL_TRACES_EXPORTER=otlp", "OTEL_METRICS_EXPORTER="+exporter, "OTEL_LOGS_EXPORTER=otlp",
			"OTEL_METRIC_EXPORT_INTERVAL=5000", "OTEL_SEMCONV_STABILITY_OPT_IN=http", "OTEL_NODE_RESOURCE_DETECTORS=env,process,serviceinstance",
			"OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED=true", "PYTHONUNBUFFERED=1")
	}
	f.process(t, "stock", "stock", env("stock", stock), filepath.Join(p.python, "opentelemetry-instrument"), filepath.Join(p.python, "python"), "app.py")
	f.process(t, "prices", p.prices, env("prices", prices, "STOCK_URL=http://"+stock), "node", "--require", "@opentelemetry/auto-instrumentations-node/register", "app.js")
	f.process(t, "ledger", ".", env("ledger", ledger), p.shop)
	f.process(t, "shop", ".", env("shop", shop, "PRICES_URL=http://"+prices, "LEDGER_ADDRESS="+ledger), p.shop)
	f.shopURL = "http://" + shop
	wait(t, "the services", func() error {
		resp, err := http.Get(f.shopURL + "/buy/tea")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", resp.Status)
		}
		return nil
	})
	return f
}

// process starts a process that the end of the test stops.
func (f *fleet) process(t *testing.T, name, dir string, env []string, program string, args ...string) {
	t.Helper()
	out, err := os.Create(filepath.Join(f.dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), env...), out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		force := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		_ = cmd.Wait()
		force.Stop()
		out.Close()
		if content, err := os.ReadFile(out.Name()); err == nil && t.Failed() && len(content) > 0 {
			t.Logf("%s:\n%.3000s", name, content)
		}
	})
}

// load sends requests at a constant rate until the returned function is called.
func (f *fleet) load(t *testing.T) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-tick.C:
				running.Go(func() {
					if resp, err := client.Get(fmt.Sprintf("%s/buy/item-%d", f.shopURL, i%50)); err == nil {
						resp.Body.Close()
					}
				})
			}
		}
	})
	return func() { close(done); running.Wait() }
}

// free returns an address whose port is unused.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func wait(t *testing.T, what string, ok func() error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
