package acceptance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// settled is the time after which a checkout's Kafka messages have been processed.
const settled = 10 * time.Second

// checkTraces holds the next n checkouts to what a complete trace is.
func checkTraces(t *testing.T, s *storefront, n int) {
	began := s.began
	var traces []trace.Trace
	until(t, 10*time.Minute, fmt.Sprintf("%d checkouts", n), func() error {
		all, err := s.checkouts(context.Background(), began, 4*n)
		if err != nil {
			return err
		}
		traces = slices.DeleteFunc(all, func(tr trace.Trace) bool { return time.Since(tr.Root().Start) < settled })
		if len(traces) < n {
			return fmt.Errorf("%d so far", len(traces))
		}
		return nil
	})
	traces = traces[:n]
	lines := logLines(t, s)
	complete, sameID, logged, waited := 0, 0, 0, 0
	for _, tr := range traces {
		if whole(tr) && len(tr.Services()) >= 13 && has(tr, "shipping", "consumer") && has(tr, "notification", "consumer") {
			complete++
		} else {
			tree := trace.NewTree(&tr)
			t.Logf("trace %s: %d roots, %d parents missing, %d services", tr.ID, len(tree.Roots()), len(tree.Missing()), len(tr.Services()))
		}
		ids, services := map[string]bool{}, map[string]bool{}
		end := tr.Root().End()
		for _, sp := range tr.Spans {
			ids[sp.Attributes["correlation_id"]] = true
			if sp.Start.Before(end) && sp.Kind == trace.Server {
				services[sp.Service] = true
			}
		}
		if len(ids) == 1 && !ids[""] {
			sameID++
		} else {
			t.Logf("trace %s: correlation IDs on spans %v", tr.ID, ids)
		}
		if len(services) >= 10 {
			waited++
		}
		same := len(lines[tr.ID]) >= 10
		for _, l := range lines[tr.ID] {
			same = same && ids[l.Correlation]
		}
		if same {
			logged++
		} else {
			t.Logf("trace %s: %d log lines, not all with its correlation ID", tr.ID, len(lines[tr.ID]))
		}
	}
	figure(t, complete == n, "traces: one root, no parent missing, 13 services", "all", "%d of %d", complete, n)
	figure(t, waited == n, "the customer waits on ten services", "all", "%d of %d", waited, n)
	figure(t, sameID == n, "one correlation ID on every span", "all", "%d of %d", sameID, n)
	figure(t, logged == n, "and on every log line", "all", "%d of %d", logged, n)
}

// whole reports whether a trace has one root and no parent is missing.
func whole(tr trace.Trace) bool {
	tree := trace.NewTree(&tr)
	return len(tree.Roots()) == 1 && tree.Complete()
}

func has(tr trace.Trace, service string, kind trace.Kind) bool {
	return slices.ContainsFunc(tr.Spans, func(s trace.Span) bool { return s.Service == service && s.Kind == kind })
}

// line is the part of a log line that the tests check.
type line struct {
	Trace       string   `json:"trace_id"`
	Span        string   `json:"span_id"`
	Correlation string   `json:"correlation_id"`
	Message     string   `json:"message"`
	SelfMS      *float64 `json:"self_ms"`
}

// logLines returns the services' log lines by trace ID.
func logLines(t *testing.T, s *storefront) map[string][]line {
	t.Helper()
	out := map[string][]line{}
	files, err := filepath.Glob(filepath.Join(s.dir, ".tenhop", "logs", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(f)
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			var l line
			if json.Unmarshal(sc.Bytes(), &l) == nil && l.Trace != "" {
				out[l.Trace] = append(out[l.Trace], l)
			}
		}
		f.Close()
	}
	return out
}

// sequential is an operation whose hops make sequential calls only, and worker is
// one of the hops.
const (
	sequential = "GET /products/{id}"
	worker     = "catalog"
)

// checkSum adds the self times of all hops of a sequential request, the waits for
// dependencies without spans and the link gaps, and compares the sum with the
// duration at the entry. Without a fault these requests take a millisecond or two,
// several percent of which is the recording of spans: that deviation is only
// printed. The checked one is that of requests in which a hop works for 80 ms.
func checkSum(t *testing.T, s *storefront) {
	short := deviations(t, s, s.began)
	t.Logf("undisturbed: median %.2f %%, worst %.2f %% of %d", 100*short[len(short)/2], 100*short[len(short)-1], len(short))
	s.must("chaos", "inject", worker, "--latency", "80ms", "--for", "60s")
	off := deviations(t, s, time.Now().Add(200*time.Millisecond)) // requests under way are over by then
	s.must("chaos", "clear")
	median := off[len(off)/2]
	figure(t, median <= 0.02, "self + leaf waits + link gaps against the entry", "≤ 2 %", "median %.2f %%, worst %.2f %% of %d", 100*median, 100*off[len(off)-1], len(off))
}

// deviations returns the sorted relative deviations of the sums of sequential
// requests since a time from their durations.
func deviations(t *testing.T, s *storefront, since time.Time) []float64 {
	t.Helper()
	var off []float64
	until(t, time.Minute, "sequential requests", func() error {
		all, err := s.traces(context.Background(), sequential, since, 100)
		if err != nil {
			return err
		}
		self := map[string]float64{}
		for _, lines := range logLines(t, s) {
			for _, l := range lines {
				if l.SelfMS != nil {
					self[l.Span] = *l.SelfMS
				}
			}
		}
		off = nil
		for _, tr := range all {
			if d, ok := deviation(tr, self); ok {
				off = append(off, d)
			}
		}
		if len(off) < 20 {
			return fmt.Errorf("%d so far", len(off))
		}
		return nil
	})
	slices.Sort(off)
	return off
}

// deviation returns how far the parts are from the whole.
func deviation(tr trace.Trace, self map[string]float64) (float64, bool) {
	callee := map[string]*trace.Span{}
	for i := range tr.Spans {
		if s := &tr.Spans[i]; s.Kind == trace.Server {
			callee[s.Parent] = s
		}
	}
	if !whole(tr) {
		return 0, false
	}
	var sum float64
	for _, s := range tr.Spans {
		switch s.Kind {
		case trace.Server:
			own, ok := self[s.ID]
			if !ok {
				return 0, false
			}
			sum += own
		case trace.Client:
			sum += ms(s.Duration) // a leaf's wait, or what is a gap once the callee's part is taken off
			if c := callee[s.ID]; c != nil {
				sum -= ms(c.Duration)
			}
		}
	}
	took := ms(tr.Root().Duration)
	return math.Abs(sum-took) / took, took > 0
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
