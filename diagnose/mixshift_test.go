package diagnose_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// Requests with more items take longer, as they always have, and there are many with more
// items than ever before. That is the mix and no hop. If each item takes longer, it is a hop.
func TestLargerCartsAreMix(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 31))
		key := randomName(rng) + ".items"
		perItem := float64(2+rng.IntN(6)) * float64(time.Millisecond)
		most, least, larger := 1+rng.IntN(8), 12+rng.IntN(12), .2+.3*rng.Float64()
		e := result.Entry{Service: randomName(rng), Operation: randomName(rng)}
		behind := randomName(rng)
		at := time.Unix(1_700_000_000, 0)
		traces := func(n int, larger, slower float64) (out []trace.Trace) {
			for i := range n {
				items := 1 + rng.IntN(most)
				if rng.Float64() < larger {
					items = least + rng.IntN(80)
				}
				work := time.Duration(float64(items) * perItem * slower * (.9 + .2*rng.Float64()))
				root := trace.Span{ID: "1", Service: e.Service, Operation: e.Operation, Kind: trace.Server, Start: at, Duration: work + 10*time.Millisecond,
					Attributes: map[string]string{key: fmt.Sprint(items)}}
				call := trace.Span{ID: "2", Parent: "1", Service: behind, Operation: "work", Kind: trace.Server, Start: at.Add(5 * time.Millisecond), Duration: work}
				out = append(out, trace.Trace{ID: fmt.Sprint(i), Spans: []trace.Span{root, call}})
			}
			return out
		}
		s := sample.New()
		before := s.Of(e, traces(200, 0, 1))
		if f := sample.Mix(before, s.Of(e, traces(200, larger, 1))); f == nil || f.Share < .7 || !strings.HasPrefix(f.Target, key+"=") {
			t.Errorf("seed %d: larger carts: %+v, want mix", seed, f)
		}
		if f := sample.Mix(before, s.Of(e, traces(200, 0, 5))); f != nil {
			t.Errorf("seed %d: slower items: %+v, want no mix", seed, f)
		}
		if f := sample.Mix(before, s.Of(e, traces(200, larger, 6))); f != nil {
			t.Errorf("seed %d: slower items in larger carts: %+v, want no mix", seed, f)
		}
	}
}
