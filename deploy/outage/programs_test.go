package outage_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program returns a program that the variable names, or builds it.
func program(t *testing.T, variable, module, pkg string) string {
	t.Helper()
	if bin := os.Getenv(variable); bin != "" {
		return bin
	}
	bin := filepath.Join(t.TempDir(), filepath.Base(module))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin, pkg)
	cmd.Dir, cmd.Env = module, append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return bin
}

// free returns an address below the ephemeral ports, so that a program that restarts
// finds its port unused.
func free(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port between 20000 and 30000 is free")
	return ""
}

// until waits for a condition and fails with its last error.
func until(t *testing.T, what string, ok func() error) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// run starts a program that ends with the test. If the test fails, it logs the
// program's output.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if t.Failed() {
			text := said.String()
			t.Logf("the end of what %s said:\n%s", cmd.Path, text[max(0, len(text)-1500):])
		}
	})
}

// jaeger is deploy/jaeger/config.yaml on other ports and another folder.
type jaeger struct {
	bin, config, otlp, query string
	cmd                      *exec.Cmd
}

func newJaeger(t *testing.T) *jaeger {
	t.Helper()
	j := &jaeger{bin: program(t, "TENHOP_JAEGER_BIN", "../../stack/jaegercontract", "github.com/jaegertracing/jaeger/cmd/jaeger"),
		otlp: free(t), query: free(t)}
	content, err := os.ReadFile("../jaeger/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := strings.NewReplacer("0.0.0.0:16686", j.query, "0.0.0.0:16685", free(t), "0.0.0.0:13133", free(t),
		"0.0.0.0:4317", j.otlp, "/badger/", dir+"/",
		"readers: [{pull: {exporter: {prometheus: {host: 0.0.0.0, port: 8888}}}}]", "readers: []", "level: detailed", "level: none",
	).Replace(string(content))
	j.config = filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(j.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return j
}

func (j *jaeger) start(t *testing.T) {
	t.Helper()
	j.cmd = exec.CommandContext(t.Context(), j.bin, "--config="+j.config)
	run(t, j.cmd)
	until(t, "Jaeger answers", func() error {
		var v any
		return get(t.Context(), "http://"+j.query+"/api/services", &v)
	})
}

func (j *jaeger) stop(t *testing.T) {
	t.Helper()
	if err := j.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = j.cmd.Wait()
}

// wait asks for every trace until all are there or nothing more arrives for a
// minute, and returns those that are missing.
func (j *jaeger) wait(t *testing.T, traces []string) (missing []string) {
	t.Helper()
	missing = traces
	for progress := time.Now(); len(missing) > 0 && time.Since(progress) < time.Minute; time.Sleep(time.Second) {
		var still []string
		for _, id := range missing {
			var answer struct{ Data []struct{ Spans []any } }
			err := get(t.Context(), "http://"+j.query+"/api/traces/"+id, &answer)
			if err != nil || len(answer.Data) != 1 || len(answer.Data[0].Spans) < 3 { // front, client, back
				still = append(still, id)
			}
		}
		if len(still) < len(missing) {
			progress = time.Now()
		}
		missing = still
	}
	return missing
}

// collector is the repository's otel-collector.yaml in front of Jaeger.
type collector struct{ otlp, metrics string }

// startCollector runs it with other settings besides, each key::key=value.
func startCollector(t *testing.T, jaeger string, settings ...string) *collector {
	t.Helper()
	bin := program(t, "TENHOP_COLLECTOR_BIN", "../collector", ".")
	c := &collector{otlp: free(t), metrics: free(t)}
	host, port, _ := net.SplitHostPort(c.metrics)
	nowhere := free(t)
	args := []string{"--config=../../otel-collector.yaml"}
	for key, value := range map[string]string{
		"receivers::otlp::protocols::grpc::endpoint":             c.otlp,
		"receivers::otlp::protocols::http::endpoint":             free(t),
		"receivers::jaeger::protocols::thrift_http::endpoint":    free(t),
		"receivers::jaeger::protocols::thrift_compact::endpoint": free(t),
		"receivers::zipkin::endpoint":                            free(t),
		"receivers::otlp/nowhere::protocols::http::endpoint":     nowhere,
		"exporters::prometheus::endpoint":                        free(t),
		"extensions::health_check::endpoint":                     free(t),
		"processors::tail_sampling::decision_wait":               "5s",
		"service::telemetry::metrics::readers": fmt.Sprintf(
			"[{pull: {exporter: {prometheus: {host: %s, port: %s}}}}]", host, port),
	} {
		args = append(args, "--set="+key+"="+value)
	}
	for _, s := range settings {
		args = append(args, "--set="+s)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	// A test's own variables come last and take precedence.
	cmd.Env = append([]string{"COLLECTOR_DATA=" + t.TempDir(), "JAEGER_OTLP_ENDPOINT=" + jaeger, "VENDOR_OTLP_ENDPOINT=http://" + nowhere}, os.Environ()...)
	run(t, cmd)
	until(t, "the collector answers", func() error { _, err := c.scrape(); return err })
	return c
}

func (c *collector) scrape() (string, error) {
	resp, err := http.Get("http://" + c.metrics + "/metrics")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

var queueLine = regexp.MustCompile(`(?m)^otelcol_exporter_queue_size\{[^\n]*exporter="otlp_grpc/jaeger"[^\n]*\} ([0-9.e+]+)`)

// queued returns the number of batches that wait for Jaeger.
func (c *collector) queued(t *testing.T) float64 {
	t.Helper()
	text, err := c.scrape()
	if err != nil {
		t.Fatal(err)
	}
	m := queueLine.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
