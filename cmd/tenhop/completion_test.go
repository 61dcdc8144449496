package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/supervisor"
)

// running announces a run in a directory whose Jaeger and Prometheus are h.
func running(t *testing.T, h http.Handler, services ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	d, err := supervisor.In(dir)
	if err != nil {
		t.Fatal(err)
	}
	hold, err := d.Hold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hold.Release() })
	backend := httptest.NewServer(h)
	t.Cleanup(backend.Close)
	s := supervisor.State{Endpoints: map[string]string{"jaeger": backend.URL, "prometheus": backend.URL}, Services: map[string][]string{}}
	for _, name := range services {
		s.Services[name] = []string{name}
	}
	if err := hold.Announce(s); err != nil {
		t.Fatal(err)
	}
	return dir
}

// completed returns the completions of the last word of a command line, and the
// output on standard error.
func completed(t *testing.T, args ...string) (suggestions []string, stderr string) {
	t.Helper()
	root := newRootCmd()
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(append([]string{"__complete"}, args...))
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[:len(lines)-1], errs.String() // the last line is cobra's directive
}

func TestCompletion(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/label/entry/values", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":["GET /search","POST /checkout"]}`)
	})
	mux.HandleFunc("GET /api/services", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":["shop","stock"]}`) })
	mux.HandleFunc("GET /api/services/{service}/operations", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"data":["%s.Charge"]}`, r.PathValue("service"))
	})
	mux.HandleFunc("GET /api/traces", func(w http.ResponseWriter, r *http.Request) {
		service := r.FormValue("service")
		fmt.Fprintf(w, `{"data":[{"traceID":"%s","spans":[{"traceID":"%s","spanID":"0000000000000001","operationName":"POST /checkout","startTime":%d,"duration":21000,"processID":"p1"}],"processes":{"p1":{"serviceName":"%s"}}}]}`,
			id, id, time.Now().UnixMicro(), service)
	})
	dir := running(t, mux, "gateway", "payment", "pricing")
	alone := running(t, mux)
	for _, c := range []struct{ args, want string }{ // HERE is the directory, the last word is completed
		{"chaos inject HERE p", "payment pricing"},
		{"chaos inject HERE payment p", ""}, // it takes one service
		{"chaos clear HERE payment p", "pricing"},
		{"chaos inject HERE payment --operation p", "payment.Charge"},
		{"chaos inject payment --error UNA", "UNAVAILABLE UNAUTHENTICATED"},
		{"chaos inject payment --lat", "--latency"},
		{"trace HERE 4b", id},
		{"trace HERE --service pa", "payment"},
		{"trace HERE --service payment --operation p", "payment.Charge"},
		{"diagnose HERE --entry POST", "POST /checkout"},
		{"drill HERE --entry G", "GET /search"},
		{"up --replicas paym", "payment="},
		{"stack --listen jaeger_", "jaeger_thrift= jaeger_udp="},
		{"stack jae", "jaeger"},
		{"service fra", "fraud"},
		{"completion z", "zsh"},
		{"sta", "stack status"},
	} {
		t.Run(c.args, func(t *testing.T) {
			words := strings.Fields(strings.Replace(c.args, "HERE", "--dir "+dir, 1))
			all, _ := completed(t, words...)
			var got []string
			for _, s := range all {
				s, _, _ = strings.Cut(s, "\t")
				if strings.HasPrefix(s, words[len(words)-1]) { // shells do the same
					got = append(got, s)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("completes to %q, want %q", got, c.want)
			}
		})
	}
	if got, _ := completed(t, "trace", "--dir", alone, "--service", ""); strings.Join(got, " ") != "shop stock" {
		t.Errorf("services of a stack that runs alone: %q", got)
	}
	if got, _ := completed(t, "trace", "--dir", alone, ""); len(got) != 1 || !strings.HasPrefix(got[0], id+"\tstock POST /checkout, 21ms at ") {
		t.Errorf("traces of a stack that runs alone: %q", got)
	}
}

// Without a running storefront, or with one that does not answer, there are no
// suggestions, and no error is printed into the user's command line.
func TestCompletionIsSilent(t *testing.T) {
	hanging := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	failing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	for why, dir := range map[string]string{"nothing runs": t.TempDir(), "a back end hangs": running(t, hanging), "a back end fails": running(t, failing)} {
		for _, args := range [][]string{{"trace", "--dir", dir, ""}, {"diagnose", "--dir", dir, "--entry", ""}, {"chaos", "inject", "--dir", dir, ""}} {
			got, stderr := completed(t, args...)
			if len(got) != 0 || strings.Contains(strings.ToLower(stderr), "error") {
				t.Errorf("%s: %v completes to %q and prints %q", why, args, got, stderr)
			}
		}
	}
}

// Each shell that is installed can parse its script.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out bytes.Buffer
		root := newRootCmd()
		root.SetOut(&out)
		root.SetArgs([]string{"completion", shell})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "__complete") {
			t.Errorf("%s: the script does not ask the program", shell)
		}
		if _, err := exec.LookPath(shell); err != nil {
			continue
		}
		file := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if msg, err := exec.Command(shell, "-n", file).CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v %s", shell, err, msg)
		}
	}
	if code := run(t.Context(), []string{"completion", "tcsh"}); code != exitUsage {
		t.Errorf("completion tcsh: exit code %d", code)
	}
}
