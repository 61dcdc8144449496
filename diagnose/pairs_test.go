package diagnose_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
)

// pairDelay is the time added to each of two hops.
const pairDelay = 200 * time.Millisecond

// names reports whether a finding names a service, as an end of a link if the fault is
// one of the network.
func names(r result.Result, service string, net bool) bool {
	return slices.ContainsFunc(r.Findings, func(f result.Finding) bool {
		if net {
			return (f.Hop == service || f.Target == service) && f.Kind == result.KindLink
		}
		return f.Hop == service && f.Kind == result.KindSelf
	})
}

// innocent returns the findings of services that are not slow which have a tenth of the
// added time or are sure by themselves.
func innocent(r result.Result, slow map[string]time.Duration) (out []result.Finding) {
	for _, f := range r.Findings {
		if slow[f.Hop] == 0 && slow[f.Target] == 0 && (f.Share >= .1 || f.Evidence != "") {
			out = append(out, f)
		}
	}
	return out
}

// tally counts what was named.
type tally struct{ n, right, innocent int }

func (c *tally) add(t *testing.T, what string, r result.Result, slow map[string]time.Duration, net bool) {
	c.n++
	ok := r.Verdict == result.Spike
	for service := range slow {
		ok = ok && names(r, service, net)
	}
	more := innocent(r, slow)
	if c.innocent += len(more); ok {
		c.right++
	}
	if ok && len(more) == 0 {
		return
	}
	t.Logf("%s: slow is %v: %s %s", what, slow, r.Verdict, r.Why)
	for _, f := range r.Findings {
		t.Logf("   %s %s %s +%.1f ms %.2f %+v %q %s", f.Hop, f.Kind, f.Target, f.AddedMS, f.Share, f.OffPath, f.Entry, f.Evidence)
	}
}

// TestPairs makes one hop, or two, of random fleets 200 ms slower: in the same requests
// or in those of different entries, one upstream of the other or in parallel branches.
// All that are slow are to be named, and nothing else. TENHOP_PAIRS is another number of
// fleets.
func TestPairs(t *testing.T) {
	fleets := 10
	if s := os.Getenv("TENHOP_PAIRS"); s != "" {
		var err error
		if fleets, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Unix(1_700_000_000, 0)
	var files, file, singles, links tally
	for seed := range fleets {
		rng := rand.New(rand.NewPCG(uint64(seed), 11))
		f := randomFleet(rng, 4+rng.IntN(10))
		if seed%3 == 0 {
			f = shop(rng)
		}
		n := []int{20, 30, 50, 100, 200}[seed%5] * len(f.entries)
		before := f.record(rng, n, at, faults{})
		for range 8 {
			any := func() string { return f.endpoints[rng.IntN(len(f.endpoints))].service }
			slow := map[string]time.Duration{any(): pairDelay, any(): pairDelay}
			now := f.record(rng, n, at.Add(time.Hour), faults{self: slow})
			if len(slow) == 1 {
				singles.add(t, "one", between(before, now), slow, false)
				continue
			}
			files.add(t, "two files", between(before, now), slow, false)
			later := f.record(rng, n, at.Add(time.Duration(2*n)*time.Second), faults{self: slow})
			if n/len(f.entries) >= 30 {
				file.add(t, "one file", within(append(slices.Clone(before), later...)), slow, false)
			}
			now = f.record(rng, n, at.Add(time.Hour), faults{net: slow})
			links.add(t, "network", between(before, now), slow, true)
		}
	}
	for _, c := range []struct {
		what string
		tally
	}{{"two files", files}, {"one file", file}, {"one fault", singles}, {"network", links}} {
		t.Logf("%s: all named in %d of %d, %d innocent ones", c.what, c.right, c.n, c.innocent)
		if float64(c.right) < .95*float64(c.n) {
			t.Errorf("%s: all are named in %d of %d, want 95 %%", c.what, c.right, c.n)
		}
	}
}
