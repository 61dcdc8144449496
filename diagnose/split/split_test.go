package split_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/split"
)

const (
	steps = 60
	onset = 45
	entry = "GET /"
)

// metered builds series of 20 requests per step. A time is a pair of milliseconds per
// request, before and now.
type metered struct {
	m   evidence.Metrics
	rng *rand.Rand
}

func newMetered() *metered {
	return &metered{evidence.Metrics{Step: 2 * time.Second, Steps: steps, Foreign: map[string]bool{}}, rand.New(rand.NewPCG(3, 1))}
}

func (b *metered) series(before, now float64) []float64 {
	v := make([]float64, steps)
	for i := range v {
		ms := before
		if i >= onset {
			ms = now
		}
		v[i] = 20 * ms / 1000 * (1 + .02*b.rng.NormFloat64())
	}
	return v
}

func (b *metered) hop(service string, self, duration [2]float64) {
	operation := "op " + service
	if len(b.m.Hops) == 0 {
		operation = entry
	}
	h := evidence.HopSeries{Service: service, Operation: operation, Entry: entry, Flow: "request",
		Self: b.series(self[0], self[1]), Duration: b.series(duration[0], duration[1]), Count: make([]float64, steps)}
	for i := range h.Count {
		h.Count[i] = 20
	}
	if operation == entry {
		b.m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: service, Operation: entry}, Sum: h.Duration, Count: h.Count}}
	}
	b.m.Hops = append(b.m.Hops, h)
}

func (b *metered) wait(service, dependency, kind string, took [2]float64) {
	b.m.Waits = append(b.m.Waits, evidence.WaitSeries{Service: service, Operation: "op " + service, Entry: entry, Flow: "request",
		Dependency: dependency, Kind: kind, Sum: b.series(took[0], took[1])})
}

// calls adds the client's own durations of its calls.
func (b *metered) calls(service, dependency string, took [2]float64) {
	b.m.Calls = append(b.m.Calls, evidence.CallSeries{Service: service, Dependency: dependency, Sum: b.series(took[0], took[1])})
}

func (b *metered) findings() []result.Finding {
	return split.Latency(b.m, evidence.Change{Entry: b.m.Entries[0], Now: evidence.Steps(onset, steps), Baseline: evidence.Steps(0, onset)}, .03)
}

func TestCallsOutsideTheRequest(t *testing.T) {
	for _, c := range []struct {
		name       string
		self, made [2]float64
		waited     [2]float64
		kind       string
	}{
		{"calls without the context", [2]float64{25, 225}, [2]float64{20, 219}, [2]float64{}, result.KindDependency},
		{"some of the calls with it", [2]float64{25, 225}, [2]float64{40, 240}, [2]float64{20, 20}, result.KindDependency},
		{"own code beside such calls", [2]float64{25, 225}, [2]float64{20, 20}, [2]float64{}, result.KindSelf},
		{"own code beside calls that wait longer", [2]float64{25, 225}, [2]float64{20, 120}, [2]float64{20, 120}, result.KindSelf},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newMetered()
			b.hop("kjx", c.self, [2]float64{c.self[0] + c.waited[0], c.self[1] + c.waited[1]})
			b.calls("kjx", "vvb", c.made)
			if c.waited[0] > 0 {
				b.wait("kjx", "vvb", "database", c.waited)
			}
			f := b.findings()[0]
			if f.Hop != "kjx" || f.Kind != c.kind {
				t.Fatalf("%+v, want %s", f, c.kind)
			}
			if c.kind == result.KindDependency && (f.Target != "vvb" || !strings.Contains(f.Evidence, "without the request's context")) {
				t.Errorf("target %q: %s", f.Target, f.Evidence)
			}
		})
	}
}

// A callee so slow that its callers queue in front of it comes before the queue.
func TestSaturatedCallee(t *testing.T) {
	b := newMetered()
	b.hop("edge", [2]float64{3, 3}, [2]float64{33, 933})
	b.wait("edge", "shelf", "grpc", [2]float64{30, 930})
	b.hop("shelf", [2]float64{4, 4}, [2]float64{28, 148})
	b.wait("shelf", "mysql", "database", [2]float64{24, 144})
	f := b.findings()
	if len(f) != 2 || f[0].Hop != "shelf" || f[0].Kind != result.KindDependency || f[1].Kind != result.KindLink {
		t.Errorf("%+v, want shelf's wait for mysql, then the link", f)
	}
	// A slow link to a callee that is as ever stays first.
	b = newMetered()
	b.hop("edge", [2]float64{3, 3}, [2]float64{33, 933})
	b.wait("edge", "shelf", "grpc", [2]float64{30, 930})
	b.hop("shelf", [2]float64{4, 4}, [2]float64{28, 30})
	b.wait("shelf", "mysql", "database", [2]float64{24, 26})
	if f := b.findings(); f[0].Kind != result.KindLink {
		t.Errorf("%+v, want the link first", f)
	}
}

// A contribution that fell is no finding, even if the entry became faster.
func TestFallsAreNoFindings(t *testing.T) {
	for _, now := range []float64{20, 300} {
		b := newMetered()
		b.hop("edge", [2]float64{3, now - 10}, [2]float64{103, now})
		b.wait("edge", "cache", "database", [2]float64{100, 10})
		for _, f := range b.findings() {
			if now < 103 || f.Target == "cache" || f.Share <= 0 {
				t.Errorf("at %v ms: %+v", now, f)
			}
		}
	}
}

// Of services that only send spans, failed calls are not counted; others count them by
// address. Failures begin at the last service of a chain that served them, whatever the
// names.
func TestFailuresOfCallsWithoutNames(t *testing.T) {
	for _, chain := range [][]string{{"a", "b", "c"}, {"c", "b", "a"}, {"b", "c", "a"}, {"a", "b", "c", "by address"}, {"c", "a", "b", "by address"}} {
		byAddress := len(chain) > 3
		chain = chain[:3]
		b := newMetered()
		for i, service := range chain {
			b.hop(service, [2]float64{5, 5}, [2]float64{15, 15})
			served := evidence.CallSeries{Service: service, Operation: "op " + service, Count: make([]float64, steps),
				Failed: make([]float64, steps), Types: map[string][]float64{}}
			for k := range steps {
				served.Count[k] = 20
				if k >= onset {
					served.Failed[k] = 6
				}
			}
			b.m.Calls = append(b.m.Calls, served)
			if i > 0 {
				b.wait(chain[i-1], service, "http", [2]float64{10, 10})
			}
			if i > 0 && byAddress {
				called := served
				called.Service, called.Operation, called.Dependency = chain[i-1], "GET", "10.0.0.7"
				b.m.Calls = append(b.m.Calls, called)
			}
		}
		c := evidence.Change{Entry: b.m.Entries[0], Now: evidence.Steps(onset, steps), Baseline: evidence.Steps(0, onset)}
		c.Entry.Sum = b.m.Calls[0].Failed
		found := split.Failures(b.m, c, .05)
		if len(found) != 1 || found[0].Hop != chain[2] || found[0].Kind != result.KindErrors {
			t.Errorf("%v: %+v", chain, found)
		}
	}
}

// Calls that their callees do not serve as failures are lost on the way. The end whose other
// links lose calls, too, is named; a link that loses them alone has both ends.
func TestLostCallsNameTheEndInCommon(t *testing.T) {
	all := [][2]string{{"edge", "a"}, {"edge", "b"}, {"edge", "c"}, {"a", "d"}, {"b", "d"}, {"d", "store"}}
	for _, c := range []struct {
		why, hop string
		lossy    [][2]string
	}{
		{"the caller's", "edge", [][2]string{{"edge", "a"}, {"edge", "b"}, {"edge", "c"}}},
		{"the callee's", "d", [][2]string{{"a", "d"}, {"b", "d"}}},
		{"all of one service, a store's among them", "d", [][2]string{{"a", "d"}, {"b", "d"}, {"d", "store"}}},
		{"one alone", "c", [][2]string{{"edge", "c"}}},
	} {
		b := newMetered()
		calls := func(service, dependency string, failed float64) {
			s := evidence.CallSeries{Service: service, Operation: "op", Dependency: dependency, Count: make([]float64, steps), Failed: make([]float64, steps)}
			for k := range steps {
				s.Count[k] = 20
				if k >= onset {
					s.Failed[k] = failed
				}
			}
			b.m.Calls = append(b.m.Calls, s)
		}
		for _, s := range []string{"edge", "a", "b", "c", "d"} {
			b.hop(s, [2]float64{5, 5}, [2]float64{15, 15})
			calls(s, "", 0)
		}
		b.m.Calls[0].Failed = b.m.Calls[0].Count // the edge fails
		for i, l := range all {
			calls(l[0], l[1], 0)
			if slices.Contains(c.lossy, l) {
				for k := onset; k < steps; k++ {
					b.m.Calls[len(b.m.Calls)-1].Failed[k] = float64(3 + i%2)
				}
			}
		}
		change := evidence.Change{Entry: b.m.Entries[0], Now: evidence.Steps(onset, steps), Baseline: evidence.Steps(0, onset)}
		change.Entry.Sum = make([]float64, steps)
		for k := onset; k < steps; k++ {
			change.Entry.Sum[k] = 6
		}
		found := split.Failures(b.m, change, .05)
		links := 0
		for _, f := range found {
			if f.Target == "" {
				continue
			}
			if links++; f.Hop != c.hop {
				t.Errorf("%s: %s with %s, want %s", c.why, f.Hop, f.Target, c.hop)
			}
		}
		if links == 0 {
			t.Errorf("%s: %+v", c.why, found)
		}
	}
}
