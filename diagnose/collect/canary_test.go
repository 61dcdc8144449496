package collect

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/growth"
	"github.com/tenhop/tenhop/trace"
)

// TestUnevenTraffic compares fifty requests of each version in five parts, in whatever order
// and however unevenly they come, also if a version begins later than the other.
func TestUnevenTraffic(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var v versioned
		add := func(side int, at time.Time, took time.Duration) {
			span := trace.Span{ID: fmt.Sprintf("%d-%d", side, at.UnixNano()), Service: "shop", Operation: "GET /", Kind: trace.Server,
				Start: at, Duration: took, Resource: map[string]string{versionKey: []string{"1", "2"}[side]}}
			request := trace.Trace{ID: span.ID, Spans: []trace.Span{span}}
			if side == 0 {
				v.stable = append(v.stable, request)
			} else {
				v.canary = append(v.canary, request)
			}
		}
		at := start
		next := func() time.Time {
			at = at.Add(time.Duration(1+rng.IntN(1<<rng.IntN(7))) * time.Second)
			return at
		}
		for range 30 { // of before, when all was slower
			add(0, next(), 500*time.Millisecond)
		}
		at = at.Add(10 * time.Minute)
		sides := slices.Concat(slices.Repeat([]int{0}, 50), slices.Repeat([]int{1}, 50))
		rng.Shuffle(len(sides), func(i, j int) { sides[i], sides[j] = sides[j], sides[i] })
		for i, side := range sides {
			add(side, next(), 20*time.Millisecond+time.Duration(i%3)*time.Millisecond)
		}
		g := growthOf(v)
		if g.Rounds < growth.MinRounds || g.Why != "" || len(g.Parts) == 0 || g.Parts[0].Grew || g.Parts[0].BaselineMS > 100 {
			t.Errorf("seed %d: %d parts, %q, %+v", seed, g.Rounds, g.Why, g.Parts)
		}
	}
}

// TestRareVersion asks for the other versions by name if few requests are theirs.
func TestRareVersion(t *testing.T) {
	request := func(version string) trace.Trace {
		return trace.Trace{Spans: []trace.Span{{Service: "shop", Resource: map[string]string{versionKey: version}}}}
	}
	c := Canary{Service: "shop", Version: "2"}
	if got := rare([]trace.Trace{request("2"), request("2"), request("1")}, c); len(got) != 1 || got[0] != "1" {
		t.Errorf("one of three is the other version: %v", got)
	}
	if got := rare([]trace.Trace{request("2"), request("1")}, c); got != nil {
		t.Errorf("as many are: %v", got)
	}
}
