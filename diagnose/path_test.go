package diagnose

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// tangle is a trace of random spans: parents anywhere, some missing, some in
// cycles, times that stick out.
func tangle(rng *rand.Rand, n int) Trace {
	t := Trace{ID: "t"}
	for i := range n {
		s := Span{ID: fmt.Sprint(i), Service: string(rune('a' + rng.IntN(4))), Operation: fmt.Sprint("op", rng.IntN(3)),
			Kind:  []string{"server", "client", "consumer", "internal", ""}[rng.IntN(5)],
			Start: time.Unix(0, rng.Int64N(1e9)), Duration: time.Duration(rng.Int64N(1e9) - 1e7)}
		if rng.IntN(8) > 0 {
			s.Parent = fmt.Sprint(rng.IntN(n + 2))
		}
		t.Spans = append(t.Spans, s)
	}
	return t
}

// Whatever the trace, the parts add up to its entry's duration, none is
// negative, and playing it again unchanged takes as long where its children lie
// within their parents.
func TestPathAddsUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	w := newWalker()
	for range 20_000 {
		tr := tangle(rng, 1+rng.IntN(12))
		root := w.load(tr)
		if root == none {
			continue
		}
		total := time.Duration(0)
		for _, c := range w.path(root) {
			if c.time < 0 {
				t.Fatalf("%v of %v in %+v", c.time, c.part, tr)
			}
			total += c.time
		}
		if want := w.nodes[root].end - w.nodes[root].start; total != want {
			t.Fatalf("parts add up to %v of %v: %+v", total, want, tr)
		}
		same := w.replay(root, func(int32, time.Duration) float64 { return 1 })
		if inside(w, root) && same != w.nodes[root].end-w.nodes[root].start {
			t.Fatalf("replayed in %v instead of %v: %+v", same, total, tr)
		}
	}
}

// inside tells whether all waited children lie within their parents.
func inside(w *walker, i int32) bool {
	for _, c := range w.waited(i) {
		if w.nodes[c].start < w.nodes[i].start || w.nodes[c].end > w.nodes[i].end || !inside(w, c) {
			return false
		}
	}
	return true
}

// Spans of a million in traces of twenty, from decoded spans to findings.
func BenchmarkBook(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var traces []Trace
	at := time.Unix(1_700_000_000, 0)
	for i := range 2000 {
		slow := time.Duration(0)
		if i > 1500 {
			slow = 200 * time.Millisecond
		}
		traces = append(traces, chain(rng, i, at.Add(time.Duration(i)*100*time.Millisecond), slow))
	}
	spans := 0
	began := cpu(b)
	for b.Loop() {
		book := NewBook()
		for _, t := range traces {
			book.Add(t)
			spans += len(t.Spans)
		}
		if res := book.Diagnose(Options{}); res.Verdict != Spike || res.Findings[0].Hop != "s7" {
			b.Fatalf("%s: %+v", res.Verdict, res.Findings)
		}
	}
	b.ReportMetric(float64(spans)/(cpu(b)-began), "spans/cpu-s")
}

// cpu is the processor time used, in seconds: what counts on a busy machine.
func cpu(b *testing.B) float64 { return processorTime(b).Seconds() }

func processorTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// chain is ten services that call one another, the eighth slow.
func chain(rng *rand.Rand, number int, at time.Time, slow time.Duration) Trace {
	t := Trace{ID: fmt.Sprint(number)}
	length := 200*time.Millisecond + slow + time.Duration(rng.IntN(20))*time.Millisecond
	parent := ""
	add := func(service, kind string, from, long time.Duration) {
		id := fmt.Sprintf("%d-%d", number, len(t.Spans))
		t.Spans = append(t.Spans, Span{ID: id, Parent: parent, Service: service, Operation: "op-" + service, Kind: kind, Start: at.Add(from), Duration: long})
		parent = id
	}
	from := time.Duration(0)
	for i := range 10 {
		add(fmt.Sprint("s", i), "server", from, length)
		from, length = from+5*time.Millisecond, length-10*time.Millisecond
		if i == 7 {
			length -= slow
		}
		if i < 9 {
			add(fmt.Sprint("s", i), "client", from, length)
			from, length = from+time.Millisecond, length-2*time.Millisecond
		}
	}
	return t
}

// BenchmarkBookStream adds ever more traces to one book: what it holds depends
// on the time and the operations, not on the number of traces.
func BenchmarkBookStream(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	at := time.Unix(1_700_000_000, 0)
	traces := make([]Trace, 1000)
	for i := range traces {
		traces[i] = chain(rng, i, at.Add(time.Duration(i)*100*time.Millisecond), 0)
	}
	book := NewBook()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		book.Add(traces[i%len(traces)])
	}
	kept := 0
	for _, p := range book.entries {
		for _, c := range p.steps {
			kept += len(c.kept)
		}
	}
	b.ReportMetric(float64(kept), "requests-kept")
}
