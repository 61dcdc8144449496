package trace

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestReplay(t *testing.T) {
	for _, c := range []struct {
		name, why, trace string
		factors          map[string]float64 // 1 where absent
		want             float64
	}{
		{name: "unchanged", why: "the same request takes as long", want: 100,
			trace: "a - s server 0-100\nb a s client 10-40\nc a s client 30-90"},
		{name: "own time", why: "only what no child covers is scaled", want: 10 + 30 + 20, factors: map[string]float64{"a": 2},
			trace: "a - s server 0-45\nb a s client 5-35"},
		{name: "serial", why: "a shorter call lets the next one start earlier", want: 75, factors: map[string]float64{"b": .5},
			trace: "a - s server 0-100\nb a s client 0-50\nc a s client 50-100"},
		{name: "off the path", why: "a shorter call beside the one that is waited for changes nothing", want: 100, factors: map[string]float64{"b": .1},
			trace: "a - s server 0-100\nb a s client 0-50\nc a s client 0-100"},
		{name: "the other becomes the last", why: "no call is shorter than its sibling lets the parent be", want: 50, factors: map[string]float64{"c": .1},
			trace: "a - s server 0-100\nb a s client 0-50\nc a s client 0-100"},
		{name: "nested", why: "what a callee saves its callers save", want: 60, factors: map[string]float64{"c": .2},
			trace: "a - gateway server 0-100\nb a gateway client 10-90\nc b payment server 20-70"},
		{name: "asynchronous", why: "nobody waits for a consumer", want: 100, factors: map[string]float64{"b": 9},
			trace: "a - s server 0-100\nb a t consumer 10-40"},
		{name: "gave up", why: "a callee that is still slower than its caller's patience changes nothing", want: 100, factors: map[string]float64{"b": .5},
			trace: "a - s client 0-100\nb a t server 0-500"},
		{name: "no longer gives up", why: "one that is faster is waited for as long as it takes", want: 50, factors: map[string]float64{"b": .1},
			trace: "a - s client 0-100\nb a t server 0-500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := NewTree(parse(t, c.trace))
			got := tree.Replay(tree.Root(), func(i int, self time.Duration) float64 {
				if self != tree.Self(i) {
					t.Errorf("self time of %s is said to be %s", tree.Span(i).ID, self)
				}
				if f, ok := c.factors[tree.Span(i).ID]; ok {
					return f
				}
				return 1
			})
			if got != ms(c.want) {
				t.Errorf("%s, want %v ms: %s", got, c.want, c.why)
			}
		})
	}
}

// The fast way to play a span again does what the definition says.
func TestReplayByDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	tree := &Tree{}
	for range 5000 {
		tree.Load(tangle(rng, 1+rng.IntN(14)))
		factors := make([]float64, tree.Len())
		for i := range factors {
			factors[i] = float64(rng.IntN(5)) / 2
		}
		for _, root := range tree.Roots() {
			got := tree.Replay(root, func(i int, _ time.Duration) float64 { return factors[i] })
			if want := replayByDefinition(tree, root, factors); got != want {
				t.Fatalf("%s, by definition %s: %+v", got, want, tree.Trace())
			}
		}
	}
}

func replayByDefinition(t *Tree, i int, factors []float64) time.Duration {
	start, end := t.Start(i), t.End(i)
	within := func(at time.Duration) time.Duration { return max(start, min(at, end)) }
	var kids []int
	for _, c := range t.Children(i) {
		if !t.Async(c) && t.End(c) > start {
			kids = append(kids, c)
		}
	}
	free := func(from, to time.Duration) (sum time.Duration) {
		for _, b := range t.Busy(i) {
			sum += max(0, min(b.To, to)-max(b.From, from))
		}
		return sum
	}
	ends := make([]time.Duration, len(kids))
	after := func(moment time.Duration, before int) time.Duration {
		since, at := start, time.Duration(0)
		for j := range before {
			if e := within(t.End(kids[j])); e <= moment {
				since, at = max(since, e), max(at, ends[j])
			}
		}
		own := free(since, moment)
		return at + (moment - since - own) + time.Duration(factors[i]*float64(own))
	}
	last := time.Duration(0)
	for j, c := range kids {
		took, was, seen := replayByDefinition(t, c, factors), t.Took(c), within(t.End(c))-within(t.Start(c))
		wait := min(seen, took)
		if took > was {
			wait = seen + took - was
		}
		ends[j] = after(within(t.Start(c)), j) + wait
		last = max(last, ends[j])
	}
	return max(after(end, len(kids)), last)
}
