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

	"github.com/tenhop/tenhop/waterfall"
)

// settled is how long after its start a checkout's Kafka tail is over.
const settled = 10 * time.Second

// checkTraces holds the next n checkouts to what a complete trace is.
func checkTraces(t *testing.T, s *storefront, n int) {
	began := s.began
	var traces []*waterfall.Trace
	until(t, 10*time.Minute, fmt.Sprintf("%d checkouts", n), func() error {
		all, err := s.checkouts(context.Background(), began, 4*n)
		if err != nil {
			return err
		}
		traces = slices.DeleteFunc(all, func(tr *waterfall.Trace) bool { return time.Since(tr.Spans[0].Start) < settled })
		if len(traces) < n {
			return fmt.Errorf("%d so far", len(traces))
		}
		return nil
	})
	traces = traces[:n]
	lines := logLines(t, s)
	complete, sameID, logged, waited := 0, 0, 0, 0
	for _, tr := range traces {
		if tr.Roots == 1 && len(tr.Services()) >= 13 && has(tr, "shipping", "consumer") && has(tr, "notification", "consumer") {
			complete++
		} else {
			t.Logf("trace %s: %d roots, %d services", tr.ID, tr.Roots, len(tr.Services()))
		}
		ids, services := map[string]bool{}, map[string]bool{}
		for _, sp := range tr.Spans {
			ids[sp.Correlation] = true
			if sp.Start.Before(tr.Spans[0].End()) && sp.Kind == "server" {
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

func has(tr *waterfall.Trace, service, kind string) bool {
	return slices.ContainsFunc(tr.Spans, func(s *waterfall.Span) bool { return s.Service == service && s.Kind == kind })
}

// line is the part of a log line that is checked.
type line struct {
	Trace       string   `json:"trace_id"`
	Span        string   `json:"span_id"`
	Correlation string   `json:"correlation_id"`
	Message     string   `json:"message"`
	SelfMS      *float64 `json:"self_ms"`
}

// logLines returns the services' log lines by trace.
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

// sequential is an operation whose hops call one after the other, and worker
// one of them.
const (
	sequential = "GET /products/{id}"
	worker     = "catalog"
)

// checkSum adds up, over sequential requests, what each hop says of its own
// time, the waits for what has no spans of its own, and the gaps between
// callers and callees, and compares the sum with the duration at the entry.
// Undisturbed, these requests last a millisecond or two, of which recording the
// spans is some percent: that figure is printed; the one that has to hold is
// of requests in which a hop works for 80 ms.
func checkSum(t *testing.T, s *storefront) {
	short := deviations(t, s, s.began)
	t.Logf("undisturbed: median %.2f %%, worst %.2f %% of %d", 100*short[len(short)/2], 100*short[len(short)-1], len(short))
	s.must("chaos", "inject", worker, "--latency", "80ms", "--for", "60s")
	off := deviations(t, s, time.Now().Add(200*time.Millisecond)) // requests under way are over by then
	s.must("chaos", "clear")
	median := off[len(off)/2]
	figure(t, median <= 0.02, "self + leaf waits + link gaps against the entry", "≤ 2 %", "median %.2f %%, worst %.2f %% of %d", 100*median, 100*off[len(off)-1], len(off))
}

// deviations returns how far the sums of sequential requests since a moment are
// from their durations, sorted.
func deviations(t *testing.T, s *storefront, since time.Time) []float64 {
	t.Helper()
	var off []float64
	until(t, time.Minute, "sequential requests", func() error {
		all, err := s.jaeger().Find(context.Background(), waterfall.Query{Service: "gateway", Operation: sequential, Since: time.Since(since), Limit: 100})
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
func deviation(tr *waterfall.Trace, self map[string]float64) (float64, bool) {
	callee := map[string]*waterfall.Span{}
	for _, s := range tr.Spans {
		if s.Kind == "server" {
			callee[s.Parent] = s
		}
	}
	if tr.Roots != 1 {
		return 0, false
	}
	var sum float64
	for _, s := range tr.Spans {
		switch s.Kind {
		case "server":
			own, ok := self[s.ID]
			if !ok {
				return 0, false
			}
			sum += own
		case "client":
			sum += ms(s.Duration) // a leaf's wait, or what is a gap once the callee's part is taken off
			if c := callee[s.ID]; c != nil {
				sum -= ms(c.Duration)
			}
		}
	}
	whole := ms(tr.Spans[0].Duration)
	return math.Abs(sum-whole) / whole, whole > 0
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
