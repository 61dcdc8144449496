package browsertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is a storefront that runs, as `tenhop up` starts it.
type program struct {
	bin, dir  string
	Endpoints map[string]string `json:"endpoints"`
	Token     string            `json:"token"`
	ReadyAt   time.Time         `json:"ready_at"`
}

func up(t *testing.T) *program {
	p := &program{bin: filepath.Join(t.TempDir(), "tenhop"), dir: t.TempDir()}
	build := exec.Command("go", "build", "-o", p.bin, "./cmd/tenhop")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "GOWORK=auto") // this module is tested without the workspace, the program is built in it
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	p.start(t, "ready in", "up", "--free-ports", "--rps", "20")
	b, err := os.ReadFile(filepath.Join(p.dir, ".tenhop", "up.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// console starts another console beside the storefront and returns its URL.
func (p *program) console(t *testing.T, args ...string) string {
	out := p.start(t, "Ctrl-C", append([]string{"stack", "console", "--listen", "console=127.0.0.1:0", "--data", t.TempDir()}, args...)...)
	for _, f := range strings.Fields(out()) {
		if strings.HasPrefix(f, "http://") {
			return f
		}
	}
	t.Fatalf("the console said no address: %s", out())
	return ""
}

// start runs the program until the test ends, and returns when it has said a word.
func (p *program) start(t *testing.T, word string, args ...string) func() string {
	t.Helper()
	cmd := exec.Command(p.bin, args...)
	cmd.Dir = p.dir
	said := &safe{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(40 * time.Second):
			_ = cmd.Process.Kill()
		}
	})
	until(t, 90*time.Second, "tenhop "+args[0]+" says "+word, func() error {
		if !strings.Contains(said.String(), word) {
			return errors.New(said.String())
		}
		return nil
	})
	return said.String
}

// until polls until check has no error.
func until(t *testing.T, within time.Duration, what string, check func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("%s: not within %s: %v", what, within, err)
}

// send posts spans to the storefront's own receiver.
func (p *program) send(t *testing.T, spans []map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
		"resource":   map[string]any{"attributes": []any{attribute("service.name", "made")}},
		"scopeSpans": []any{map[string]any{"spans": spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(p.Endpoints["otlp_http"]+"/v1/traces", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("send spans: %s %s", resp.Status, b)
	}
}

func attribute(key, value string) map[string]any {
	return map[string]any{"key": key, "value": map[string]any{"stringValue": value}}
}

// span makes a span; start and duration are milliseconds after from.
func span(trace, id, parent, name string, kind int, from time.Time, start, duration float64, attributes ...any) map[string]any {
	at := func(ms float64) string {
		return fmt.Sprint(from.Add(time.Duration(ms * float64(time.Millisecond))).UnixNano())
	}
	return map[string]any{"traceId": trace, "spanId": id, "parentSpanId": parent, "name": name, "kind": kind,
		"startTimeUnixNano": at(start), "endTimeUnixNano": at(start + duration), "attributes": attributes}
}

// get reads JSON of the console.
func get[T any](ctx context.Context, url string) (T, error) {
	var v T
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return v, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return v, errors.New(resp.Status)
	}
	return v, json.NewDecoder(resp.Body).Decode(&v)
}
