package diagnose

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestStream streams ever more spans of the same ten minutes, one by one, into a
// book: what is held grows with what is distinct, the open traces and the steps,
// not with the spans. TENHOP_SPANS is how many millions at most; 100 take
// minutes.
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
		book := NewBook()
		all := NewAssembler(book.Add)
		at, began, peak := time.Unix(1_700_000_000, 0), processorTime(t), 0.0
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
		res := book.Diagnose(Options{})
		took := processorTime(t) - began
		if res.Verdict != Spike || res.Findings[0].Hop != "s7" {
			t.Fatalf("%d million: %s %+v", millions, res.Verdict, res.Findings)
		}
		held[millions] = heap()
		_, spans := book.Traces()
		fmt.Fprintf(&table, "| %d million | %.0f MB | %.0f MB | %.0f s | %.2f million |\n", millions, peak, held[millions], took.Seconds(), float64(spans)/1e6/took.Seconds())
		runtime.KeepAlive(book)
	}
	t.Logf("\n| spans | held while streaming | held by the book | processor time, with making the spans | spans a second of it |\n|--:|--:|--:|--:|--:|\n%s", table.String())
	for millions, mb := range held {
		if mb > 1.5*held[1]+16 {
			t.Errorf("the book holds %.0f MB after %d million spans, %.0f after one", mb, millions, held[1])
		}
	}
}

// heap is what lives, in MB.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}
