// Package growth compares the times of hops in rounds of two versions of a system that
// took turns, and tells a growth from the noise between rounds. It needs no threshold of
// the user: what differs between two rounds of one version is noise.
package growth

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// MinRounds is the number of rounds of each version from which they are compared.
const MinRounds = 5

// Rules of a growth. They were chosen with the two services of docs/yourservice and one
// service of the storefront in sight.
const (
	maxP     = .002 // probability of any false growth in a comparison, all parts together
	minMS    = .5   // smaller growths are not reported, in milliseconds
	minRatio = .02  // of the time before
	minShare = .05  // share of the requests of a version per entry, below which the entry is left out
	maxParts = 40   // parts of a result
)

// entry is the operation that requests begin with.
type entry struct{ service, operation string }

// part identifies what a time is measured of.
type part struct {
	entry
	hop, of, kind, target string // of is the hop's operation
}

// Round holds the times of the requests of one version in one round. The zero value is
// empty. Its size grows with the number of distinct operations. It is not safe for
// concurrent use.
type Round struct {
	requests map[entry]int
	ms       map[part]float64
	tree     trace.Tree
}

// Add adds a request. The time of a span counts for the hop that it belongs to, so that
// internal spans that come or go move no time between parts.
func (r *Round) Add(t trace.Trace) {
	if r.requests == nil {
		r.requests, r.ms = map[entry]int{}, map[part]float64{}
	}
	r.tree.Load(&t)
	if r.tree.Root() == trace.None {
		return
	}
	root := r.tree.Span(r.tree.Entry())
	e := entry{root.Service, root.Operation}
	r.requests[e]++
	for _, i := range r.tree.Order() {
		r.ms[r.partOf(e, i)] += float64(r.tree.Self(i)) / float64(time.Millisecond)
	}
}

// partOf returns the part that the self time of a span belongs to.
func (r *Round) partOf(e entry, i int) part {
	s := r.tree.Span(i)
	if s.Kind.Calls() {
		if c := r.tree.Callee(i); c != trace.None && !r.tree.Span(c).Kind.Calls() {
			callee := r.tree.Span(c)
			return part{e, callee.Service, callee.Operation, result.KindLink, s.Service}
		} else if c == trace.None {
			if hop := r.hop(i); hop != i {
				return part{e, s.Service, r.tree.Span(hop).Operation, result.KindDependency, cmp.Or(s.Peer(), strings.TrimSpace(s.Operation))}
			}
			return part{e, s.Service, strings.TrimSpace(s.Operation), result.KindDependency, s.Peer()}
		}
	}
	return part{e, s.Service, r.tree.Span(r.hop(i)).Operation, result.KindSelf, ""}
}

func (r *Round) hop(i int) int {
	if hop := r.tree.Hop(i); hop != trace.None {
		return hop
	}
	return i
}

// Size returns the number of requests of all entries.
func (r *Round) Size() (n int) {
	for _, c := range r.requests {
		n += c
	}
	return n
}

// Compare compares rounds. The i-th round of before and the i-th of now are those of
// about the same time; there must be as many of each.
func Compare(before, now []Round) *result.Growth {
	g := &result.Growth{Rounds: len(now), Parts: []result.GrowthPart{}}
	for i := range before {
		g.Requests.Baseline += before[i].Size()
	}
	for i := range now {
		g.Requests.Now += now[i].Size()
	}
	entries, left := common(before, now)
	g.LeftOut = left
	switch {
	case len(before) != len(now):
		g.Rounds = min(len(before), len(now))
		g.Why = fmt.Sprintf("%d rounds before and %d now are no pairs; give as many of each, recorded in turns", len(before), len(now))
	case len(now) < MinRounds:
		g.Why = fmt.Sprintf("the noise between rounds is known from %d rounds of each version on, recorded in turns; these are %d", MinRounds, len(now))
	case len(entries) == 0:
		g.Why = fmt.Sprintf("no operation that requests begin with has requests of both versions in %d rounds", MinRounds)
	}
	if g.Why != "" {
		return g
	}
	pairs := aligned(before, now, entries)
	for k, v := range pairs {
		g.Parts = append(g.Parts, judge(k, v, len(pairs)))
	}
	slices.SortFunc(g.Parts, func(a, b result.GrowthPart) int {
		rank := func(p result.GrowthPart) int {
			if p.Grew {
				return 0
			}
			return 1
		}
		return cmp.Or(rank(a)-rank(b), cmp.Compare(b.AddedMS, a.AddedMS), cmp.Compare(b.NowMS, a.NowMS), cmp.Compare(a.Entry, b.Entry),
			cmp.Compare(a.Hop, b.Hop), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Target, b.Target))
	})
	keep := maxParts
	for keep < len(g.Parts) && g.Parts[keep].Grew {
		keep++
	}
	if len(g.Parts) > keep {
		g.Left = len(g.Parts) - keep
		g.Parts = g.Parts[:keep]
	}
	return g
}

// common returns the rounds of each entry in which both versions have requests of it. Entries
// with a smaller share of the requests of both versions, or with too few rounds, are left
// out. left holds those of them that have the share in a version.
func common(before, now []Round) (rounds map[entry][]int, left []string) {
	rounds, left = map[entry][]int{}, []string{}
	was, is := shares(before), shares(now)
	for _, e := range slices.Concat(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is))) {
		if _, ok := rounds[e]; ok || max(was[e], is[e]) < minShare {
			continue
		}
		for i := range min(len(before), len(now)) {
			if before[i].requests[e] > 0 && now[i].requests[e] > 0 {
				rounds[e] = append(rounds[e], i)
			}
		}
		if name := strings.TrimSpace(e.service + " " + e.operation); len(rounds[e]) < MinRounds {
			delete(rounds, e)
			if !slices.Contains(left, name) {
				left = append(left, name)
			}
		}
	}
	slices.Sort(left)
	return rounds, left[:min(len(left), maxParts)]
}

// shares returns the share of each entry of the requests.
func shares(rounds []Round) map[entry]float64 {
	all, out := 0, map[entry]float64{}
	for _, r := range rounds {
		all += r.Size()
		for e, n := range r.requests {
			out[e] += float64(n)
		}
	}
	for e := range out {
		out[e] /= float64(all)
	}
	return out
}

// pair holds the mean times per request of a part in each round, in milliseconds.
type pair struct{ before, now []float64 }

// parts returns the parts of rounds.
func parts(rounds []Round) map[part]bool {
	out := map[part]bool{}
	for _, r := range rounds {
		for k := range r.ms {
			out[k] = true
		}
	}
	return out
}

// unnamed returns k without its operation.
func (k part) unnamed() part {
	k.of = ""
	return k
}

// matched returns the part as which a part of one version is compared: itself if both
// versions have it. The others of a hop are one part without an operation, so that an
// operation that is renamed does not grow. It keeps its target if both versions have such a
// part of that target.
func matched(had, has map[part]bool) func(part) part {
	renamed := [2]map[part]bool{{}, {}}
	for side, all := range []map[part]bool{had, has} {
		for k := range all {
			if !had[k] || !has[k] {
				renamed[side][k.unnamed()] = true
			}
		}
	}
	return func(k part) part {
		if had[k] && has[k] {
			return k
		}
		if k = k.unnamed(); !renamed[0][k] || !renamed[1][k] {
			k.target = ""
		}
		return k
	}
}

// aligned returns the times of the parts of some entries, in the rounds of each.
func aligned(before, now []Round, entries map[entry][]int) map[part]pair {
	match := matched(parts(before), parts(now))
	out := map[part]pair{}
	for side, rounds := range [][]Round{before, now} {
		for i, r := range rounds {
			for k, ms := range r.ms {
				at := slices.Index(entries[k.entry], i)
				if at < 0 {
					continue
				}
				n := float64(r.requests[k.entry])
				k = match(k)
				v, ok := out[k]
				if !ok {
					v = pair{make([]float64, len(entries[k.entry])), make([]float64, len(entries[k.entry]))}
					out[k] = v
				}
				if side == 0 {
					v.before[at] += ms / n
				} else {
					v.now[at] += ms / n
				}
			}
		}
	}
	return out
}

// judge tests whether a part grew: the mean difference of the rounds of a pair against
// its standard error (Student's paired t test), at a level divided by the number of
// parts (Bonferroni).
func judge(k part, v pair, parts int) result.GrowthPart {
	n := float64(len(v.now))
	var was, is, added, squares float64
	for i := range v.now {
		was, is, added = was+v.before[i]/n, is+v.now[i]/n, added+(v.now[i]-v.before[i])/n
	}
	for i := range v.now {
		d := v.now[i] - v.before[i] - added
		squares += d * d
	}
	noise := stats.StudentT(maxP/float64(parts), len(v.now)-1) * math.Sqrt(squares/(n-1)/n)
	noise = max(noise, minMS, minRatio*was)
	return result.GrowthPart{Entry: k.operation, Hop: k.hop, Operation: k.of, Kind: k.kind, Target: k.target,
		BaselineMS: stats.Round(was), NowMS: stats.Round(is), AddedMS: stats.Round(added) + 0, NoiseMS: stats.Round(noise), Grew: added > noise}
}
