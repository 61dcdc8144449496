// Package uptest starts the built program for tests that observe it from outside:
// `tenhop up` on free ports in a temporary directory.
package uptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Running is the environment variable with the path of the up.json of a storefront
// that runs already. If it is set, Start does not start another.
const Running = "TENHOP_UP_JSON"

// Storefront is a running `tenhop up`.
type Storefront struct {
	Endpoints map[string]string `json:"endpoints"`
	PIDs      map[string]int    `json:"pids"`
	Admin     map[string]string `json:"admin"`
	Token     string            `json:"token"`

	Program string `json:"-"` // executable; empty for a storefront that ran already
	Dir     string `json:"-"` // directory that contains .tenhop
}

// Build builds tenhop and returns the path of the program, which the end of the test
// removes.
func Build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "tenhop")
	build := exec.Command("go", "build", "-o", bin, "github.com/tenhop/tenhop/cmd/tenhop")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build tenhop: %v\n%s", err, out)
	}
	return bin
}

// Start builds tenhop and runs it, with additional arguments of `tenhop up`, until
// the test ends. It returns when the storefront is ready.
func Start(t *testing.T, args ...string) *Storefront {
	t.Helper()
	if file := os.Getenv(Running); file != "" {
		return read(t, file)
	}
	return Up(t, Build(t), args...)
}

// Up is Start with a program that Build has built.
func Up(t *testing.T, bin string, args ...string) *Storefront {
	t.Helper()
	dir := t.TempDir()
	var said bytes.Buffer
	up := exec.Command(bin, append([]string{"up", "--free-ports", "--dir", dir}, args...)...)
	up.Stdout, up.Stderr = &said, &said
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- up.Wait() }()
	t.Cleanup(func() {
		_ = up.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = up.Process.Kill()
		}
		if t.Failed() {
			t.Logf("tenhop up:\n%s", said.String())
		}
	})
	file := filepath.Join(dir, ".tenhop", "up.json")
	deadline := time.Now().Add(time.Minute)
	for {
		if content, err := os.ReadFile(file); err == nil && bytes.Contains(content, []byte(`"ready_at"`)) {
			s := read(t, file)
			s.Program = bin
			return s
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("tenhop up ended: %v\n%s", err, said.String())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("tenhop up was not ready within a minute")
		}
	}
}

func read(t *testing.T, file string) *Storefront {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &Storefront{Dir: filepath.Dir(filepath.Dir(file))}
	if err := json.Unmarshal(content, s); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return s
}

// Inject adds a fault, in the JSON form of chaos.Fault, to a service and returns its
// ID.
func (s *Storefront) Inject(ctx context.Context, service string, fault map[string]any) (string, error) {
	body, err := json.Marshal(fault)
	if err != nil {
		return "", err
	}
	answer, err := s.admin(ctx, http.MethodPost, service, "/chaos", body)
	if err != nil {
		return "", err
	}
	var created struct{ ID string }
	return created.ID, json.Unmarshal(answer, &created)
}

// Clear removes all faults of a service.
func (s *Storefront) Clear(ctx context.Context, service string) error {
	_, err := s.admin(ctx, http.MethodDelete, service, "/chaos", nil)
	return err
}

func (s *Storefront) admin(ctx context.Context, method, service, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.Admin[service]+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	req.Header.Set("Content-Type", "application/json")
	return do(req)
}

// Get returns the body of a GET of path at an endpoint in up.json.
func (s *Storefront) Get(ctx context.Context, endpoint, path string, query url.Values) ([]byte, error) {
	base := s.Endpoints[endpoint]
	if base == "" {
		return nil, fmt.Errorf("up.json names no endpoint %q", endpoint)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	return do(req)
}

func do(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		return body, errors.Join(err, fmt.Errorf("%s %s: %s: %.300s", req.Method, req.URL, resp.Status, body))
	}
	return body, err
}

// Alert is an active alert.
type Alert struct {
	Labels      map[string]string
	Annotations map[string]string
	State       string
	Value       string
	ActiveAt    time.Time
}

// Firing returns the firing alerts.
func (s *Storefront) Firing(ctx context.Context) ([]Alert, error) {
	body, err := s.Get(ctx, "prometheus", "/api/v1/alerts", nil)
	if err != nil {
		return nil, err
	}
	var answer struct{ Data struct{ Alerts []Alert } }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	var firing []Alert
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			firing = append(firing, a)
		}
	}
	return firing, nil
}
