package detect_test

import (
	"math"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Slow requests after a short pause belong to the incident before; after a long one they
// are an incident only if they are surely one by themselves.
func TestTailAfterPause(t *testing.T) {
	const step, before, rate = 2 * time.Second, 150, 4
	for _, c := range []struct {
		why        string
		slow       func(step int) float64 // of the four requests of a step since the onset
		steps      int
		sure, over bool
		phases     int
	}{
		{"lasting", func(i int) float64 { return float64(i % 2) }, 20, true, false, 0},
		{"5 s in every 15", func(i int) float64 { return float64(3 * number(i%8 < 3)) }, 28, true, false, 4},
		{"40 s, and a few slow ones two minutes later", func(i int) float64 { return float64(2 * number(i < 20 || i == 78)) }, 79, true, true, 0},
		{"40 s, and again two minutes later", func(i int) float64 { return float64(2 * number(i < 20 || i >= 70)) }, 80, true, false, 0},
	} {
		m := evidence.Metrics{Start: time.Unix(1_700_000_000, 0), Step: step, Steps: before + c.steps}
		b := &evidence.Buckets{Bounds: []float64{.1, math.Inf(1)}, Counts: [][]float64{make([]float64, m.Steps), make([]float64, m.Steps)}}
		for i := range m.Steps {
			b.Counts[0][i], b.Counts[1][i] = rate, rate
			if i >= before {
				b.Counts[0][i] -= c.slow(i - before)
			}
		}
		tail := detect.OfTail(m, evidence.EntrySeries{Entry: result.Entry{Operation: "GET /"}, Buckets: b})
		if tail.Sure != c.sure || tail.Over != c.over || len(tail.Phases) != c.phases {
			t.Errorf("%s: sure %v, over %v, %d phases; want %v, %v, %d", c.why, tail.Sure, tail.Over, len(tail.Phases), c.sure, c.over, c.phases)
		}
	}
}

// The phases since it was last over are those of now, however short the pauses between them.
func TestTailResumed(t *testing.T) {
	const step, before, rate = 2 * time.Second, 150, 8
	for _, c := range []struct {
		slow    []int // steps since the onset
		resumed int   // index of a phase
	}{
		{[]int{0, 1, 2, 3, 4, 5, 20, 21, 22, 23, 40, 41, 44, 47}, 2},
		{[]int{0, 1, 2, 3, 4, 5, 8, 9, 10, 13, 14}, 0},
	} {
		n := before + c.slow[len(c.slow)-1] + 1
		m := evidence.Metrics{Start: time.Unix(1_700_000_000, 0), Step: step, Steps: n}
		b := &evidence.Buckets{Bounds: []float64{.1, math.Inf(1)}, Counts: [][]float64{make([]float64, n), make([]float64, n)}}
		for i := range n {
			b.Counts[0][i], b.Counts[1][i] = rate, rate
		}
		for _, i := range c.slow {
			b.Counts[0][before+i] = rate / 4
		}
		tail := detect.OfTail(m, evidence.EntrySeries{Entry: result.Entry{Operation: "GET /"}, Buckets: b})
		if !tail.Sure || tail.Over || tail.Resumed != c.resumed {
			t.Errorf("%v: sure %v, over %v, since phase %d of %v; want %d", c.slow, tail.Sure, tail.Over, tail.Resumed, tail.Phases, c.resumed)
		}
	}
}

// Where some requests are always slow, it is over when as many are as before, and not before
// that.
func TestTailBesideUsual(t *testing.T) {
	const step, before, steps, rate = 2 * time.Second, 150, 190, 10
	for _, c := range []struct {
		slow int // steps with six slow requests of ten, before every other has one again
		over bool
	}{{20, true}, {40, false}, {36, false}} {
		m := evidence.Metrics{Start: time.Unix(1_700_000_000, 0), Step: step, Steps: steps}
		b := &evidence.Buckets{Bounds: []float64{.1, math.Inf(1)}, Counts: [][]float64{make([]float64, steps), make([]float64, steps)}}
		for i := range steps {
			b.Counts[0][i], b.Counts[1][i] = rate-float64(i%2), rate
			if i >= before && i < before+c.slow {
				b.Counts[0][i] = rate - 6
			}
		}
		tail := detect.OfTail(m, evidence.EntrySeries{Entry: result.Entry{Operation: "GET /"}, Buckets: b})
		if !tail.Sure || tail.Over != c.over || tail.Share() < .4 {
			t.Errorf("%d slow steps of %d: sure %v, over %v, share %.2f; want over %v", c.slow, steps-before, tail.Sure, tail.Over, tail.Share(), c.over)
		}
	}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A minority that takes some milliseconds more is no incident, however many there are.
func TestTailMatters(t *testing.T) {
	const step, steps, before, rate = 2 * time.Second, 170, 150, 20
	for border, want := range map[float64]bool{.01: false, .1: true} {
		m := evidence.Metrics{Start: time.Unix(1_700_000_000, 0), Step: step, Steps: steps}
		e := evidence.EntrySeries{Entry: result.Entry{Operation: "GET /"}, Sum: make([]float64, steps), Count: make([]float64, steps),
			Buckets: &evidence.Buckets{Bounds: []float64{border, math.Inf(1)}, Counts: [][]float64{make([]float64, steps), make([]float64, steps)}}}
		for i := range steps {
			e.Buckets.Counts[0][i], e.Buckets.Counts[1][i], e.Count[i], e.Sum[i] = rate, rate, rate, .004*rate
			if i >= before {
				e.Buckets.Counts[0][i] -= 5
			}
		}
		if tail := detect.OfTail(m, e); tail.Sure != want {
			t.Errorf("beyond %g s: sure %v, want %v", border, tail.Sure, want)
		}
	}
}

// The growth of a mean is usual only if it is that of a few slow requests, whatever bursts of
// them there were before.
func TestUsual(t *testing.T) {
	const step, steps, before, rate = 2 * time.Second, 180, 160, 10
	for _, c := range []struct {
		why   string
		slow  float64 // of the ten requests of a step of now
		usual bool
	}{
		{"as many as in a burst before", 3, true},
		{"most of them", 7, false},
	} {
		m := evidence.Metrics{Start: time.Unix(1_700_000_000, 0), Step: step, Steps: steps}
		b := &evidence.Buckets{Bounds: []float64{.02, .1, math.Inf(1)}, Counts: [][]float64{make([]float64, steps), make([]float64, steps), make([]float64, steps)}}
		e := evidence.EntrySeries{Entry: result.Entry{Operation: "GET /"}, Sum: make([]float64, steps), Count: make([]float64, steps), Buckets: b}
		for i := range steps {
			slow := 0.0
			switch {
			case i >= before:
				slow = c.slow
			case i >= 60 && i < 90:
				slow = 9
			}
			b.Counts[0][i], b.Counts[1][i], b.Counts[2][i] = rate-slow, rate, rate
			e.Count[i], e.Sum[i] = rate, .01*(rate-slow)+.03*slow
		}
		change := evidence.Change{Entry: e, Baseline: evidence.Steps(0, before), Now: evidence.Steps(before, steps)}
		if got := detect.Usual(m, change); got != c.usual {
			t.Errorf("%s: usual %v, want %v", c.why, got, c.usual)
		}
	}
}
