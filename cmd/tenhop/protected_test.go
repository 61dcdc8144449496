package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/console"
)

// tenhop runs a command line and returns its output, its errors and its exit code.
func tenhop(t *testing.T, args ...string) (string, string, int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	done := make(chan string)
	go func() {
		b, _ := io.ReadAll(r) // ends with w
		done <- string(b)
	}()
	var errs bytes.Buffer
	code := runTo(t.Context(), &errs, args)
	os.Stdout = stdout
	w.Close()
	return <-done, errs.String(), code
}

// same reports the first difference between two answers that is none of the time at
// which they were asked.
func same(path string, a, b any) error {
	switch x := a.(type) {
	case map[string]any:
		y, _ := b.(map[string]any)
		for k := range x {
			switch k {
			case "sources", "took_ms", "stages", "exemplars", "trace_id", "url", "counterfactual_p95_ms": // the runs ask at different times
				continue
			}
			if err := same(path+"."+k, x[k], y[k]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		y, _ := b.([]any)
		if len(x) != len(y) {
			return fmt.Errorf("%s has %d and %d elements", path, len(x), len(y))
		}
		for i := range x {
			if err := same(fmt.Sprint(path, "[", i, "]"), x[i], y[i]); err != nil {
				return err
			}
		}
		return nil
	case float64:
		if y, ok := b.(float64); ok && math.Abs(x-y) <= 2+.1*max(math.Abs(x), math.Abs(y)) {
			return nil
		}
	case string:
		if _, err := time.Parse(time.RFC3339, x); err == nil {
			return nil
		}
		if a == b {
			return nil
		}
	default:
		if a == b {
			return nil
		}
	}
	return fmt.Errorf("%s is %v and %v", path, a, b)
}

// Back ends that refuse who has no credentials give the same answers to who has them,
// and no output has a secret.
func TestProtectedBackends(t *testing.T) {
	t.Setenv(configVariable, "")
	f, traces := newBackEnds(t)
	plain := map[string]string{"prometheus": f.prometheus.URL, "jaeger": f.jaeger.URL, "tempo": f.tempo.URL, "loki": f.loki.URL}
	slow := traces[len(traces)-10].ID
	decode := func(out string) (v any) {
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return v
	}
	for _, p := range protections(t, f) {
		for _, source := range []string{"jaeger", "tempo"} {
			t.Run(p.name+" "+source, func(t *testing.T) {
				file := p.config(t, p.options, source)
				for _, args := range [][]string{{"diagnose", "--json"}, {"trace", slow}, {"trace", "--slowest"}, {"diagnose"}, {"diagnose", "--markdown"}} {
					out, errs, code := tenhop(t, append(args, "--config", file)...)
					if code != 0 || errs != "" {
						t.Fatalf("%v: exit code %d: %s", args, code, errs)
					}
					if found := leaks(out); found != nil {
						t.Errorf("%v prints %v: %s", args, found, out)
					}
					open := append(args, "--"+source, plain[source])
					if args[0] == "diagnose" {
						open = append(open, "--prometheus", plain["prometheus"])
					}
					want, _, _ := tenhop(t, open...)
					switch {
					case len(args) > 1 && args[1] == "--json":
						if err := same("", decode(want), decode(out)); err != nil {
							t.Errorf("%v", err)
						}
					case args[0] == "trace":
						if out != want {
							t.Errorf("%v: %s\nwant\n%s", args, out, want)
						}
					case !strings.Contains(out, "payment"):
						t.Errorf("%v: %s", args, out)
					}
				}
				for options, says := range p.failing {
					file := p.config(t, options, source)
					for _, args := range [][]string{{"diagnose", "--json"}, {"diagnose"}, {"trace", slow}} {
						out, errs, code := tenhop(t, append(args, "--config", file)...)
						// All back ends refuse; diagnose asks them at the same time and names one.
						asked := strings.Contains(errs, "backends."+source) || args[0] == "diagnose" && strings.Contains(errs, "backends.prometheus")
						if code == 0 || !strings.Contains(errs, says) || !asked || !strings.Contains(errs, file) {
							t.Errorf("%q: %v: exit code %d: %s; want %q", options, args, code, errs, says)
						}
						if found := leaks(out + errs); found != nil {
							t.Errorf("%q: %v prints %v: %s", options, args, found, out+errs)
						}
					}
				}
			})
		}
	}
}

// The console passes nothing of its credentials on.
func TestProtectedConsole(t *testing.T) {
	t.Setenv(configVariable, "")
	f, traces := newBackEnds(t)
	for _, p := range protections(t, f) {
		for _, source := range []string{"jaeger", "tempo"} {
			for options, ok := range map[string]bool{p.options: true, firstOf(p.failing): false} {
				t.Run(fmt.Sprint(p.name, source, ok), func(t *testing.T) {
					asked := backendFlags{config: p.config(t, options, source)}
					found, err := asked.read()
					if err != nil {
						t.Fatal(err)
					}
					var logged bytes.Buffer
					page, err := console.New(console.Config{Prometheus: found.Prometheus, Jaeger: found.Jaeger, Tempo: found.Tempo, Loki: found.Loki,
						Clients: found.Clients, Logger: slog.New(slog.NewJSONHandler(&logged, nil))})
					if err != nil {
						t.Fatal(err)
					}
					defer page.Close()
					id := traces[len(traces)-10].ID
					at := traces[len(traces)-10].Spans[0].Start.UnixMicro()
					for _, path := range []string{"/", "/api/config", "/api/services", "/api/services/payment/operations", "/api/traces?service=payment", "/api/traces/" + id,
						fmt.Sprintf("/api/traces/%s/logs?from=%d&to=%d", id, at, at+1), "/api/compare?b=" + id, "/api/diagnose",
						"/api/prometheus/query?query=up", "/api/loki/query_range?query={a=%22b%22}"} {
						r := httptest.NewRequest(http.MethodGet, path, nil)
						r.Host = "localhost"
						w := httptest.NewRecorder()
						page.ServeHTTP(w, r)
						if found := leaks(w.Body.String() + fmt.Sprint(w.Header())); found != nil {
							t.Errorf("%s has %v: %s", path, found, w.Body)
						}
						if fails := !ok && path != "/" && path != "/api/config"; (w.Code != http.StatusOK) != fails || fails && !strings.Contains(w.Body.String(), "backends.") {
							t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
						}
					}
					if found := leaks(logged.String()); found != nil {
						t.Errorf("the log has %v: %s", found, &logged)
					}
				})
			}
		}
	}
}

func firstOf(m map[string]string) string {
	var first string
	for k := range m {
		if first == "" || k < first {
			first = k
		}
	}
	return first
}
