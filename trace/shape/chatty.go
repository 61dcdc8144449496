package shape

import (
	"cmp"
	"slices"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// minChatty is the number of calls from which a hop and a target are listed. It was chosen on traces of the storefront, whose services make
// up to four statements for a request.
const minChatty = 6

// pair is a Chatty with what would change if each hop made one call.
type pair struct {
	Chatty
	changes []change
	took    time.Duration
}

type pairKey struct{ service, target string }

// hopCalls holds the calls of one hop to one target.
type hopCalls struct {
	hop   int
	calls []int
}

// chatty returns the pairs with many calls, at most listed of them.
func (a *analysis) chatty() []pair {
	type group struct {
		hops  []*hopCalls
		byHop map[int]*hopCalls
		n     int
	}
	groups := map[pairKey]*group{}
	var keys []pairKey
	for _, i := range a.calls {
		caller := i
		if !a.Span(i).Kind.Calls() {
			caller = a.Parent(i)
		}
		target, _ := a.target(i)
		if target == "" || a.Span(i).Kind == trace.Producer {
			continue
		}
		k := pairKey{a.Span(caller).Service, target}
		g := groups[k]
		if g == nil {
			g = &group{byHop: map[int]*hopCalls{}}
			groups[k] = g
			keys = append(keys, k)
		}
		h := g.byHop[a.hop[caller]]
		if h == nil {
			h = &hopCalls{hop: a.hop[caller]}
			g.byHop[h.hop] = h
			g.hops = append(g.hops, h)
		}
		h.calls = append(h.calls, i)
		g.n++
	}
	var out []pair
	for _, k := range keys {
		if g := groups[k]; g.n-len(g.hops) >= minChatty-1 { // calls of one hop may be merged
			out = append(out, a.pair(k, g.hops))
		}
	}
	slices.SortStableFunc(out, func(x, y pair) int { return cmp.Compare(y.took, x.took) })
	out = out[:min(len(out), a.replays(listed))]
	for i := range out {
		if len(out[i].changes) > 0 {
			out[i].SavedMS = inMS(a.Took(a.entry) - a.replay(out[i].changes))
		}
	}
	slices.SortStableFunc(out, func(x, y pair) int { return cmp.Compare(y.SavedMS, x.SavedMS) })
	return out
}

func (a *analysis) pair(k pairKey, hops []*hopCalls) pair {
	p := pair{Chatty: Chatty{Service: k.service, Target: k.target}}
	operations := map[string]int{}
	var links time.Duration
	for _, h := range hops {
		here := map[string]int{}
		for _, i := range h.calls {
			_, operation := a.target(i)
			operations[operation]++
			here[operation]++
			p.PerHop = max(p.PerHop, here[operation])
			if n := operations[operation]; n > p.Of || n == p.Of && operation < p.Operation {
				p.Of, p.Operation = n, operation
			}
			p.took += a.Took(i)
			if a.class[i] == link {
				links += a.Self(i)
			}
		}
		p.Calls += len(h.calls)
		p.changes = append(p.changes, a.merge(h.calls)...)
	}
	p.NPlusOne = p.PerHop >= minChatty
	p.CallsMS, p.LinkMS = inMS(p.took), inMS(links)
	return p
}

// merge returns what changes if calls become one. The call with the longest link keeps it.
func (a *analysis) merge(calls []int) []change {
	var out []change
	kept, shortest := calls[0], a.Took(calls[0])
	for _, i := range calls {
		if a.Self(i) > a.Self(kept) {
			kept = i
		}
		shortest = min(shortest, a.Took(i))
	}
	for _, i := range calls {
		switch self := a.Self(i); {
		case i == kept || !a.waited[i] || self <= 0:
		case a.class[i] == link:
			out = append(out, change{i, 0})
		case a.class[i] == other:
			out = append(out, change{i, 1 - min(float64(shortest)/float64(self), 1)})
		}
	}
	return out
}
