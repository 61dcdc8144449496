package diagnose_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// topology is a random call graph with random names. Its requests enter by two
// operations of one service, each of which uses most of the links.
type topology struct {
	rng      *rand.Rand
	names    []string
	callees  [][]int
	parallel []bool
	work     []float64        // ms of a service's own work
	used     [2]map[edge]bool // links by entry
}

type edge [2]int // caller and callee

// delays holds the milliseconds that a link or a service takes longer.
type delays struct {
	link map[edge]float64
	self map[int]float64
}

func newTopology(seed uint64) *topology {
	f := &topology{rng: rand.New(rand.NewPCG(seed, 77))}
	n := 5 + f.rng.IntN(6)
	f.callees = make([][]int, n)
	for i := range n {
		f.names = append(f.names, fmt.Sprintf("%c%c%x", 'a'+f.rng.IntN(26), 'a'+f.rng.IntN(26), f.rng.Uint32()>>12))
		f.parallel = append(f.parallel, f.rng.IntN(4) == 0)
		f.work = append(f.work, 1+6*f.rng.Float64())
		for range 1 + f.rng.IntN(2) {
			if i == 0 {
				break
			}
			p := f.rng.IntN(i)
			if len(f.callees[p]) == 0 || f.callees[p][len(f.callees[p])-1] != i {
				f.callees[p] = append(f.callees[p], i)
			}
		}
	}
	for e := range f.used {
		f.used[e] = map[edge]bool{}
		for a, to := range f.callees {
			for k, b := range to {
				f.used[e][edge{a, b}] = e == 0 && k == 0 || f.rng.IntN(4) > 0
			}
		}
	}
	return f
}

// reached returns the links that requests of an entry use, in a fixed order.
func (f *topology) reached(entry int) []edge {
	var out []edge
	seen := map[int]bool{0: true}
	for todo := []int{0}; len(todo) > 0; todo = todo[1:] {
		for _, b := range f.callees[todo[0]] {
			if !f.used[entry][edge{todo[0], b}] {
				continue
			}
			out = append(out, edge{todo[0], b})
			if !seen[b] {
				seen[b] = true
				todo = append(todo, b)
			}
		}
	}
	return out
}

// traces returns requests at 4/s for each entry: 80 s of ordinary ones, then 30 s with
// the fault. split is the index of the first of these.
func (f *topology) traces(x delays) (all []trace.Trace, split int) {
	at := time.Unix(1_700_000_000, 0)
	for step := range 440 {
		if step == 320 {
			split = len(all)
		}
		for entry := range 2 {
			t := trace.Trace{ID: fmt.Sprintf("%032x", 2*step+entry+1)}
			active := delays{}
			if step >= 320 {
				active = x
			}
			f.serve(&t, active, entry, 0, "", float64(step)*250+float64(entry)*100)
			for i := range t.Spans {
				t.Spans[i].Start = at.Add(t.Spans[i].Start.Sub(time.Unix(0, 0)))
			}
			all = append(all, t)
		}
	}
	return all, split
}

// serve adds the span of a service and those of its calls, and returns its end in ms.
func (f *topology) serve(t *trace.Trace, x delays, entry, service int, parent string, start float64) float64 {
	span := func(kind trace.Kind, operation, parent string) int {
		t.Spans = append(t.Spans, trace.Span{ID: fmt.Sprintf("%016x", len(t.Spans)+1), Parent: parent, Service: f.names[service],
			Operation: operation, Kind: kind, Attributes: map[string]string{}})
		return len(t.Spans) - 1
	}
	set := func(i int, from, to float64) {
		t.Spans[i].Start, t.Spans[i].Duration = time.Unix(0, int64(from*1e6)), time.Duration((to-from)*1e6)
	}
	operation := "op-" + f.names[service]
	if parent == "" {
		operation = fmt.Sprintf("GET /%s/%d", f.names[service], entry)
	}
	own := span("server", operation, parent)
	now := start + (f.work[service]/2+x.self[service])*(.7+.6*f.rng.Float64())
	end := now
	for _, b := range f.callees[service] {
		l := edge{service, b}
		if !f.used[entry][l] {
			continue
		}
		if !f.parallel[service] {
			now = end
		}
		call := span("client", "call", t.Spans[own].ID)
		t.Spans[call].Attributes["peer.service"] = f.names[b]
		half := (.3 + x.link[l]/2) * (.7 + .6*f.rng.Float64())
		done := f.serve(t, x, entry, b, t.Spans[call].ID, now+half) + half
		set(call, now, done)
		end = max(end, done)
	}
	end += f.work[service] / 2 * (.7 + .6*f.rng.Float64())
	set(own, start, end)
	return end
}
