package collect_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
)

// wideFile writes traces of one request that makes calls one after the other, each
// of the given duration, as OTLP JSON with one trace per line.
func wideFile(t *testing.T, start time.Time, traces, calls int, each time.Duration) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wide.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	span := func(trace, id, parent int, name string, from time.Time, took time.Duration) {
		fmt.Fprintf(w, `{"traceId":"%032x","spanId":"%016x","parentSpanId":"%s","name":%q,"kind":2,"startTimeUnixNano":"%d","endTimeUnixNano":"%d"}`,
			trace+1, id+1, map[bool]string{true: "", false: fmt.Sprintf("%016x", 1)}[parent < 0], name, from.UnixNano(), from.Add(took).UnixNano())
	}
	for i := range traces {
		at := start.Add(time.Duration(i) * 3 * time.Second)
		fmt.Fprint(w, `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api"}}]},"scopeSpans":[{"spans":[`)
		span(int(start.UnixNano())+i, 0, -1, "GET /report", at, time.Duration(calls)*(each+10*time.Microsecond))
		for c := range calls {
			fmt.Fprint(w, ",")
			span(int(start.UnixNano())+i, c+1, 0, "row", at.Add(time.Duration(c)*(each+10*time.Microsecond)), each)
		}
		fmt.Fprintln(w, `]}]}]}`)
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWideTraces diagnoses 20 traces from before and 20 from now, each of one
// request with 2,000 calls, and prints the time and memory that it took.
// TENHOP_WIDE is another number of calls.
func TestWideTraces(t *testing.T) {
	const traces = 20
	calls := 2000
	if s := os.Getenv("TENHOP_WIDE"); s != "" {
		var err error
		if calls, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Unix(1_700_000_000, 0)
	before := wideFile(t, began, traces, calls, 50*time.Microsecond)
	now := wideFile(t, began.Add(time.Hour), traces, calls, 1100*time.Microsecond)
	res := run(t, collect.Config{Traces: []string{now}, Before: []string{before}})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d traces of %d spans: %.1f s in all, %d MiB from the system", 2*traces, calls+1, res.TookMS/1000, m.Sys>>20)
	for _, s := range res.Stages {
		t.Logf("  %-8s %.0f ms", s.Name, s.TookMS)
	}
	if res.Verdict != result.Spike || len(res.Findings) == 0 || res.Findings[0].Operation != "row" {
		t.Errorf("%s (%s): %+v", res.Verdict, res.Why, res.Findings)
	}
}

// The time limit holds for files.
func TestFilesWithinTheTimeout(t *testing.T) {
	path := wideFile(t, time.Unix(1_700_000_000, 0), 4, 20_000, time.Millisecond)
	_, err := collect.Run(t.Context(), collect.Config{Traces: []string{path}, Timeout: time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v, want a deadline that was exceeded", err)
	}
}
