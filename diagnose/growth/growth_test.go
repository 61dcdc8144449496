package growth_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/growth"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

var origin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func ms(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }

// version describes the services of a made system: an edge calls a store, which queries a
// database.
type version struct {
	edge, store, query float64 // mean self times in milliseconds
	internal           bool    // the store has an internal span around its work
	operation          string  // of the store
}

var usual = version{edge: 3, store: 12, query: 4, operation: "GET /levels"}

// request is a request with times that vary as those of services do, all of them by load.
func (v version) request(rng *rand.Rand, id int, load float64) trace.Trace {
	vary := func(mean float64) float64 { return load * mean * (.5 + rng.ExpFloat64()/2) }
	edge, store, query := vary(v.edge), vary(v.store), vary(v.query)
	at := func(from, to float64, id, parent, service, operation string, kind trace.Kind) trace.Span {
		return trace.Span{ID: id, Parent: parent, Service: service, Operation: operation, Kind: kind, Start: origin.Add(ms(from)), Duration: ms(to - from),
			Attributes: map[string]string{}}
	}
	in := store + query
	spans := []trace.Span{
		at(0, edge+1+in, "a", "", "edge", "GET /page", trace.Server),
		at(edge/2, edge/2+1+in, "b", "a", "edge", "GET", trace.Client),
		at(edge/2+.5, edge/2+.5+in, "c", "b", "store", v.operation, trace.Server),
	}
	parent := "c"
	if v.internal {
		parent = "i"
		spans = append(spans, at(edge/2+.6, edge/2+.4+in, "i", "c", "store", "look up", trace.Internal))
	}
	db := at(edge/2+.5+store/2, edge/2+.5+store/2+query, "d", parent, "store", "SELECT", trace.Client)
	db.Attributes["db.system.name"] = "postgresql"
	return trace.Trace{ID: fmt.Sprintf("%032x", id), Spans: append(spans, db)}
}

// rounds runs two versions in turns, on a machine whose speed drifts.
func rounds(rng *rand.Rand, before, now version, n, requests int) *result.Growth {
	a, b := make([]growth.Round, n), make([]growth.Round, n)
	for i := range n {
		load := .8 + rng.Float64()*.6
		for id := range requests {
			a[i].Add(before.request(rng, id, load*(.97+rng.Float64()*.06)))
			b[i].Add(now.request(rng, id, load*(.97+rng.Float64()*.06)))
		}
	}
	return growth.Compare(a, b)
}

func TestGrows(t *testing.T) {
	for _, c := range []struct {
		what string
		now  func(*version)
		want string
	}{
		{"20 ms of own time", func(v *version) { v.store += 20 }, "self store GET /levels"},
		{"3 ms of own time", func(v *version) { v.edge += 3 }, "self edge GET /page"},
		{"a slower statement", func(v *version) { v.query += 10 }, "dependency store GET /levels"},
		{"beside a refactoring", func(v *version) { v.store, v.internal = v.store+20, true }, "self store GET /levels"},
		{"beside a rename", func(v *version) { v.store, v.operation = v.store+20, "GET /levels/{id}" }, "self store "},
	} {
		rng := rand.New(rand.NewPCG(7, 1))
		now := usual
		c.now(&now)
		g := rounds(rng, usual, now, 8, 60)
		grew := g.Grew()
		if len(grew) != 1 || grew[0].Kind+" "+grew[0].Hop+" "+grew[0].Operation != c.want {
			t.Errorf("%s: %s, grew %+v, all %+v", c.what, g.Why, grew, g.Parts)
		}
	}
}

// What does not change the times passes: 2,000 comparisons of the same version, of one with
// other internal spans and of one with another name of an operation.
func TestNothingGrows(t *testing.T) {
	comparisons := 800
	if testing.Short() {
		comparisons = 200
	}
	wrong := 0
	for seed := range comparisons {
		rng := rand.New(rand.NewPCG(uint64(seed), 2))
		now := usual
		switch seed % 3 {
		case 1:
			now.internal = true
		case 2:
			now.operation = "GET /levels/{id}"
		}
		g := rounds(rng, usual, now, 5+seed%6, 30)
		if g.Why != "" {
			t.Fatal(g.Why)
		}
		if len(g.Grew()) > 0 {
			wrong++
		}
	}
	t.Logf("%d of %d comparisons of versions that take the same time found a growth", wrong, comparisons)
	if wrong > comparisons/200 {
		t.Errorf("%d of %d, want one in 200 at most", wrong, comparisons)
	}
}

// An entry that has requests in some rounds only is compared in these, and named if they
// are too few.
func TestRareEntry(t *testing.T) {
	for _, c := range []struct {
		with int // rounds with the entry
		grew bool
	}{{10, true}, {6, true}, {4, false}} {
		rng := rand.New(rand.NewPCG(9, uint64(c.with)))
		slower := usual
		slower.store += 40
		a, b := make([]growth.Round, 10), make([]growth.Round, 10)
		for i := range 10 {
			for id := range 40 {
				was, is := usual.request(rng, id, 1), usual.request(rng, id, 1)
				if id%4 == 0 {
					if i >= c.with {
						continue
					}
					was, is = usual.request(rng, id, 1), slower.request(rng, id, 1)
					was.Spans[0].Operation, is.Spans[0].Operation = "POST /order", "POST /order"
				}
				a[i].Add(was)
				b[i].Add(is)
			}
		}
		g := growth.Compare(a, b)
		if grew := g.Grew(); c.grew != (len(grew) == 1) || c.grew && grew[0].Entry != "POST /order" || c.grew == (len(g.LeftOut) == 1) || g.Why != "" {
			t.Errorf("%d rounds: %s, grew %+v, left out %q", c.with, g.Why, grew, g.LeftOut)
		}
	}
}

func TestNotCompared(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	slow := usual
	slow.store += 200
	if g := rounds(rng, usual, slow, growth.MinRounds-1, 30); g.Why == "" || len(g.Parts) > 0 {
		t.Errorf("too few rounds: %+v", g)
	}
	if g := growth.Compare(make([]growth.Round, 6), make([]growth.Round, 6)); g.Why == "" {
		t.Errorf("empty rounds: %+v", g)
	}
	if g := growth.Compare(make([]growth.Round, 6), make([]growth.Round, 5)); g.Why == "" {
		t.Errorf("no pairs: %+v", g)
	}
	if g := growth.Compare(nil, nil); g.Why == "" {
		t.Errorf("nothing: %+v", g)
	}
}

// A round whose machine stood still is noise, not growth.
func TestOneSlowRound(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	a, b := make([]growth.Round, 8), make([]growth.Round, 8)
	for i := range a {
		for id := range 40 {
			a[i].Add(usual.request(rng, id, 1))
			load := 1.
			if i == 5 {
				load = 6
			}
			b[i].Add(usual.request(rng, id, load))
		}
	}
	if g := growth.Compare(a, b); len(g.Grew()) > 0 || g.Why != "" {
		t.Errorf("%s %+v", g.Why, g.Grew())
	}
}

// A part of a renamed operation says who calls it, or what it waits for.
func TestRenamedOperationKeepsTarget(t *testing.T) {
	renamed := usual
	renamed.operation = "GET /levels/{id}"
	g := rounds(rand.New(rand.NewPCG(7, 4)), usual, renamed, 8, 60)
	got := map[string]string{}
	for _, p := range g.Parts {
		if p.Hop == "store" {
			got[p.Kind] = p.Operation + ">" + p.Target
		}
	}
	for kind, want := range map[string]string{result.KindSelf: ">", result.KindLink: ">edge", result.KindDependency: ">postgresql"} {
		if got[kind] != want {
			t.Errorf("%s of the renamed operation is %q, want %q", kind, got[kind], want)
		}
	}
}
