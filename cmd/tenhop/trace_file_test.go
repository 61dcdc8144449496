package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/trace/shape"
	"github.com/tenhop/tenhop/waterfall"
)

// savedTraces writes a file of Jaeger traces, each a desk that calls a store, with the
// given milliseconds in the store.
func savedTraces(t *testing.T, name string, stored ...int) string {
	t.Helper()
	var traces []string
	for i, ms := range stored {
		id := fmt.Sprintf("%032x", i+1)
		span := func(n int, refs, operation, process string, start, took int) string {
			return fmt.Sprintf(`{"traceID":%q,"spanID":"%016x","operationName":%q,"references":[%s],"startTime":%d,"duration":%d,"processID":%q,
				"tags":[{"key":"span.kind","type":"string","value":"server"},{"key":"correlation_id","type":"string","value":"order-%d"}]}`,
				id, n, operation, refs, 1_700_000_000_000_000+start, took, process, i)
		}
		traces = append(traces, fmt.Sprintf(`{"traceID":%q,"spans":[%s,%s],"processes":{"p1":{"serviceName":"desk"},"p2":{"serviceName":"store"}}}`, id,
			span(1, "", "GET /shelf", "p1", 0, (ms+10)*1000),
			span(2, fmt.Sprintf(`{"refType":"CHILD_OF","traceID":%q,"spanID":"%016x"}`, id, 1), "GET /books", "p2", 5000, ms*1000)))
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(`{"data":[`+strings.Join(traces, ",")+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTraceFiles(t *testing.T) {
	one, three := savedTraces(t, "one.json", 20), savedTraces(t, "three.json", 20, 90, 30)
	both := t.TempDir()
	for i, from := range []string{one, three} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(both, fmt.Sprintf("%d.json", i)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	second := fmt.Sprintf("%032x", 2)
	for _, c := range []struct {
		name string
		args []string
		want []string // in the output or the error
		fail bool
	}{
		{"one trace", []string{one}, []string{"trace " + fmt.Sprintf("%032x", 1), "store GET /books", "20.0 ms"}, false},
		{"several", []string{three}, []string{"DURATION", second, "100.0 ms", "desk GET /shelf", "--slowest"}, false},
		{"list", []string{one, "--list"}, []string{"30.0 ms", "desk GET /shelf"}, false},
		{"slowest", []string{three, "--slowest"}, []string{"trace " + second, "90.0 ms"}, false},
		{"by ID", []string{three, second}, []string{"trace " + second}, false},
		{"by ID without zeros", []string{three, "2"}, []string{"trace " + second}, false},
		{"by correlation", []string{three, "--correlation", "order-2"}, []string{"trace " + fmt.Sprintf("%032x", 3)}, false},
		{"by operation", []string{three, "--slowest", "--service", "store"}, []string{"trace " + second}, false},
		{"a directory", []string{both, "--slowest"}, []string{"trace " + second}, false},
		{"no such ID", []string{three, "77"}, []string{"none with the ID 77", "--list"}, true},
		{"no such service", []string{three, "--service", "cellar"}, []string{"none in the files has a span of cellar"}, true},
		{"no such file", []string{"nosuch.json"}, []string{"neither a file nor a trace ID"}, true},
		{"two IDs", []string{one, "1", "2"}, []string{"neither is a file"}, true},
		{"ID and slowest", []string{three, "2", "--slowest"}, []string{"exclude each other"}, true},
		{"file and Jaeger", []string{three, "--jaeger", "http://localhost:1"}, []string{"--jaeger and --tempo go without files"}, true},
	} {
		out, err := runTrace(c.args)
		for _, want := range c.want {
			if text := out + fmt.Sprint(err); !strings.Contains(text, want) || (err != nil) != c.fail {
				t.Errorf("%s: no %q in %s", c.name, want, text)
			}
		}
	}
	out, err := runTrace([]string{three, second, "--json"})
	var w waterfall.Waterfall
	if err != nil || json.Unmarshal([]byte(out), &w) != nil || w.TraceID != second || w.DurationMS != 100 || len(w.Spans) != 2 || w.Spans[1].CriticalMS != 90 {
		t.Errorf("%s, %v", out, err)
	}
	out, err = runTrace([]string{three, "--list", "--json"})
	var list []summary
	if err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list) != 3 || list[0].TraceID != second || list[2].DurationMS != 30 {
		t.Errorf("%s, %v", out, err)
	}
}

func runTrace(args []string) (string, error) {
	var out bytes.Buffer
	cmd := newTraceCmd()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

// Few traces are no claim, and no failure.
func TestDiagnoseFew(t *testing.T) {
	for name, args := range map[string][]string{
		"one":         {"--traces", savedTraces(t, "one.json", 20)},
		"one and one": {"--traces", savedTraces(t, "now.json", 90), "--before", savedTraces(t, "before.json", 20)},
		"two":         {"--traces", savedTraces(t, "two.json", 20, 90)},
	} {
		var out bytes.Buffer
		cmd := newDiagnoseCmd()
		cmd.SetOut(&out)
		cmd.SetArgs(args)
		if err := cmd.Execute(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.HasPrefix(out.String(), "not sure: ") || !strings.Contains(out.String(), "store GET /books") || !strings.Contains(out.String(), "draw it: tenhop trace /") {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

// TestTraceShape prints the shape of a request from a file, named in either way, as text
// and as JSON.
func TestTraceShape(t *testing.T) {
	run := func(args ...string) string {
		cmd := newTraceCmd()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(args)
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			out.WriteString(err.Error())
		}
		return out.String()
	}
	const home = "../../docs/shape/home.json"
	for _, args := range [][]string{{"--shape", home}, {"--shape", "--traces", home}, {"--shape", "--slowest", home}, {"--shape", home, "5f0a9c1e7d3b4826a1c4e8f20b6d9357"}} {
		got := run(args...)
		for _, want := range []string{"page GET /home, 118.0 ms", "2 hops behind each other: page > profile", "15 calls, gaps up to 0.5 ms", "12 of them in one hop (N+1)",
			"basket, profile use one database: postgresql shop at pg.internal:5432, tables users", "sequential calls side by side  28.6 ms"} {
			if !strings.Contains(got, want) {
				t.Errorf("%v: there is no %q in\n%s", args, want, got)
			}
		}
	}
	var s shape.Shape
	if err := json.Unmarshal([]byte(run("--shape", "--json", home)), &s); err != nil || s.Depth.Hops != 2 || len(s.Sequential) != 1 || len(s.SharedStores) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if got := run("--shape", "--list", home); !strings.Contains(got, "exclude each other") {
		t.Error(got)
	}
}
