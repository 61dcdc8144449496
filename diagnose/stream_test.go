package diagnose_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// TestStream adds increasing numbers of spans of the same ten minutes to a sample, one by
// one. The memory held grows with the number of operations, open traces and steps, not with
// the number of spans. TENHOP_SPANS is the maximum in millions; 100 take minutes.
func TestStream(t *testing.T) {
	most := 1
	if s := os.Getenv("TENHOP_SPANS"); s != "" {
		if _, err := fmt.Sscan(s, &most); err != nil {
			t.Fatal(err)
		}
	}
	const window, perTrace = 10 * time.Minute, 19
	var table strings.Builder
	held := map[int]float64{}
	for millions := 1; millions <= most; millions *= 10 {
		traces := millions * 1_000_000 / perTrace
		rng := rand.New(rand.NewPCG(1, 1))
		requests := sample.New()
		all := trace.NewAssembler(requests.Add)
		at, began, peak := time.Unix(1_700_000_000, 0), processor(t), 0.0
		for i := range traces {
			slow := time.Duration(0)
			if i > traces*3/4 {
				slow = 200 * time.Millisecond
			}
			tr := chain(rng, i, at.Add(time.Duration(i)*(window/time.Duration(traces))), slow)
			for _, s := range tr.Spans {
				all.Add(tr.ID, s)
			}
			if i%200_000 == 100_000 {
				peak = max(peak, heap())
			}
		}
		peak = max(peak, heap())
		all.Flush()
		res := diagnose.Diagnose(diagnose.Evidence{Sample: requests}, diagnose.Options{}).Result()
		took := processor(t) - began
		if res.Verdict != result.Spike || res.Findings[0].Hop != "s7" {
			t.Fatalf("%d million: %s %+v", millions, res.Verdict, res.Findings)
		}
		held[millions] = heap()
		_, spans := requests.Size()
		fmt.Fprintf(&table, "| %d million | %.0f MB | %.0f MB | %.0f s | %.2f million |\n", millions, peak, held[millions], took, float64(spans)/1e6/took)
		runtime.KeepAlive(requests)
	}
	t.Logf("\n| spans | held while streaming | held by the sample | CPU time, including making the spans | spans per CPU second |\n"+
		"|--:|--:|--:|--:|--:|\n%s", table.String())
	for millions, mb := range held {
		if mb > 1.5*held[1]+16 {
			t.Errorf("the sample holds %.0f MB after %d million spans, %.0f after one", mb, millions, held[1])
		}
	}
}

// heap returns the size of live objects, in MB.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}

// BenchmarkSample diagnoses a million decoded spans in traces of twenty.
func BenchmarkSample(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var traces []trace.Trace
	at := time.Unix(1_700_000_000, 0)
	for i := range 2000 {
		slow := time.Duration(0)
		if i > 1500 {
			slow = 200 * time.Millisecond
		}
		traces = append(traces, chain(rng, i, at.Add(time.Duration(i)*100*time.Millisecond), slow))
	}
	spans := 0
	began := processor(b)
	for b.Loop() {
		requests := sample.New()
		for _, t := range traces {
			requests.Add(t)
			spans += len(t.Spans)
		}
		if res := diagnose.Diagnose(diagnose.Evidence{Sample: requests}, diagnose.Options{}).Result(); res.Verdict != result.Spike || res.Findings[0].Hop != "s7" {
			b.Fatalf("%s: %+v", res.Verdict, res.Findings)
		}
	}
	b.ReportMetric(float64(spans)/(processor(b)-began), "spans/cpu-s")
}

// chain returns a trace of ten services that call one another; the eighth is slow.
func chain(rng *rand.Rand, number int, at time.Time, slow time.Duration) trace.Trace {
	t := trace.Trace{ID: fmt.Sprint(number)}
	length := 200*time.Millisecond + slow + time.Duration(rng.IntN(20))*time.Millisecond
	parent := ""
	add := func(service string, kind trace.Kind, from, long time.Duration) {
		id := fmt.Sprintf("%d-%d", number, len(t.Spans))
		t.Spans = append(t.Spans, trace.Span{ID: id, Parent: parent, Service: service, Operation: "op-" + service, Kind: kind, Start: at.Add(from), Duration: long})
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

// BenchmarkSampleStream adds traces to one sample, whose size depends on the time and the
// operations, not on the number of traces.
func BenchmarkSampleStream(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	at := time.Unix(1_700_000_000, 0)
	traces := make([]trace.Trace, 1000)
	for i := range traces {
		traces[i] = chain(rng, i, at.Add(time.Duration(i)*100*time.Millisecond), 0)
	}
	requests := sample.New()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		requests.Add(traces[i%len(traces)])
	}
	kept := requests.During(result.Entry{Service: "s0", Operation: "op-s0"}, []result.Range{{From: at, To: at.Add(time.Hour)}})
	b.ReportMetric(float64(kept.Len()), "requests-kept")
}
