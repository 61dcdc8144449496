package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
)

// TestSecondStack: a directory has one stack, and the second that is started
// there ends before it opened a port or made a file.
func TestSecondStack(t *testing.T) {
	dir := t.TempDir()
	d, err := supervisor.In(dir)
	if err != nil {
		t.Fatal(err)
	}
	hold, err := d.Hold()
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	err = runCommand(t, "stack", "otlp", "--dir", dir, "--listen", "otlp_grpc=127.0.0.1:0,otlp_http=127.0.0.1:0")
	var held *supervisor.HeldError
	if !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("the second stack says %v", err)
	}
	if after := files(t, dir); after != before {
		t.Errorf("the second stack left\n%s\nwhere there was\n%s", after, before)
	}
	if err := hold.Release(); err != nil {
		t.Error(err)
	}
}

// TestListenTaken: a port that was asked for is had, or the stack does not start.
func TestListenTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, endpoint := range []string{"otlp_grpc", "console"} {
		part := strings.TrimSuffix(endpoint, "_grpc")
		err := runCommand(t, "stack", part, "--dir", t.TempDir(), "--listen", "otlp_http=127.0.0.1:0", "--listen", endpoint+"="+l.Addr().String())
		if err == nil || !strings.Contains(err.Error(), l.Addr().String()+": another program listens there; end it, or name another port") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

// TestConsoleReadsLabels: the console diagnoses with the labels of the file, as `tenhop diagnose` does.
func TestConsoleReadsLabels(t *testing.T) {
	now := time.Now()
	shop := promtest.Shop{Began: now.Add(-280 * time.Second), Onset: now.Add(-60 * time.Second), Slow: .3}
	prom := promtest.Serve(t, shop.Began, now, shop.LabelledRED("component")...)
	file := filepath.Join(t.TempDir(), "backends.yaml")
	content := fmt.Sprintf("backends:\n  prometheus: {url: %s}\nlabels:\n  service: component\n", prom.URL)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f := stackFlags{asked: backendFlags{config: file}}
	f.WorkDir, f.Stack.Addresses = t.TempDir(), map[string]string{endpoint.Console: "127.0.0.1:0"}
	f.Stack.Retention, f.Stack.ScrapeInterval, f.Stack.EvaluationInterval = time.Hour, time.Second, time.Second
	if err := f.complete([]string{app.PartConsole}); err != nil {
		t.Fatal(err)
	}
	s, err := app.Start(t.Context(), f.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	resp, err := http.Get(s.Endpoints()[endpoint.Console] + "/api/diagnose?entry=POST+%2Fpay")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var res result.Result
	if err := json.NewDecoder(resp.Body).Decode(&res); err != nil || res.Entry.Service != "gateway" {
		t.Errorf("the console names %+v (%s), %v", res.Entry, res.Why, err)
	}
}

// runCommand runs a command line whose failure is expected.
func runCommand(t *testing.T, args ...string) error {
	t.Helper()
	root := newRootCmd()
	root.SetOut(io.Discard)
	root.SetArgs(args)
	return root.ExecuteContext(t.Context())
}

func files(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}
