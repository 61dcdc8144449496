package few

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// request is a request of which the critical path is known.
type request struct {
	entry entry
	root  int // span that begins it
	took  time.Duration
	tree  *trace.Tree
}

func measure(t *trace.Trace) (request, bool) {
	tree := trace.NewTree(t)
	if tree.Root() == trace.None {
		return request{}, false
	}
	root := tree.Entry()
	s := tree.Span(root)
	return request{entry: entry{s.Service, s.Operation}, root: root, took: tree.Took(root), tree: tree}, true
}

// place identifies a TimePart.
type place struct{ hop, operation, kind, target string }

// placeOf returns the place to which the own time of a span belongs. That of a call
// belongs to the link to its callee or, if the callee has no spans, to the dependency.
func (r request) placeOf(i int) place {
	s := r.tree.Span(i)
	if !s.Kind.Calls() {
		return place{s.Service, s.Operation, result.KindSelf, ""}
	}
	c := r.tree.Callee(i)
	if c == trace.None {
		return place{s.Service, s.Operation, result.KindDependency, cmp.Or(s.Peer(), strings.TrimSpace(s.Operation))}
	}
	callee := r.tree.Span(c)
	if callee.Kind.Calls() { // its server span is lost
		return place{callee.Service, s.Operation, result.KindSelf, ""}
	}
	return place{callee.Service, callee.Operation, result.KindLink, s.Service}
}

// profile holds the mean time and number of spans per request of each place.
type profile map[place]struct{ ms, spans float64 }

func profileOf(requests []request) profile {
	out := profile{}
	n := float64(len(requests))
	for _, r := range requests {
		for _, share := range r.tree.AppendShares(nil, r.root) {
			k := r.placeOf(share.Span)
			sum := out[k]
			sum.ms += milliseconds(share.Time) / n
			sum.spans += 1 / n
			out[k] = sum
		}
	}
	return out
}

// maxParts is the maximum number of parts of a description.
const maxParts = 50

// parts returns the times of the requests now, compared with those before if there are
// any. Parts that are zero on both sides are left out.
func parts(before, now []request) []result.TimePart {
	was, is := profileOf(before), profileOf(now)
	all := maps.Clone(is)
	maps.Copy(all, was)
	total := meanMS(now)
	out := []result.TimePart{}
	for k := range all {
		b, n := was[k], is[k]
		p := result.TimePart{Hop: k.hop, Operation: k.operation, Kind: k.kind, Target: k.target,
			BaselineMS: stats.Round(b.ms), NowMS: stats.Round(n.ms),
			Spans: result.Calls{Baseline: stats.Round(b.spans), Now: stats.Round(n.spans)}}
		if len(before) > 0 {
			p.AddedMS = stats.Round(n.ms-b.ms) + 0 // never -0
		}
		if total > 0 {
			p.Share = stats.Round(n.ms / total)
		}
		if p.BaselineMS != 0 || p.NowMS != 0 {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(x, y result.TimePart) int {
		return cmp.Or(cmp.Compare(math.Abs(y.AddedMS), math.Abs(x.AddedMS)), cmp.Compare(y.NowMS, x.NowMS),
			cmp.Compare(x.Hop, y.Hop), cmp.Compare(x.Operation, y.Operation), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Target, y.Target))
	})
	return out[:min(len(out), maxParts)]
}

// Bounds of the gaps of a description.
const (
	maxGaps     = 5
	minGapShare = .02 // of the request's duration
)

// gaps returns the longest gaps on the critical path of a request.
func gaps(r request) []result.Gap {
	out := []result.Gap{}
	origin := r.tree.Start(r.root)
	for _, s := range r.tree.CriticalPath(r.root) {
		k := r.placeOf(s.Span)
		if k.kind == result.KindDependency || len(r.tree.Children(s.Span)) == 0 || float64(s.Took()) < minGapShare*float64(r.took) {
			continue
		}
		after, before := r.neighbours(s)
		out = append(out, result.Gap{Hop: k.hop, Operation: k.operation, Kind: k.kind, Target: k.target,
			FromMS: stats.Round(milliseconds(s.From - origin)), TookMS: stats.Round(milliseconds(s.Took())), After: after, Before: before})
	}
	slices.SortStableFunc(out, func(x, y result.Gap) int { return cmp.Compare(y.TookMS, x.TookMS) })
	return out[:min(len(out), maxGaps)]
}

// neighbours returns the operations of the child that was the last to end before a
// segment of its parent and of the one that was the first to start after it.
func (r request) neighbours(s trace.Segment) (after, before string) {
	last, next := trace.None, trace.None
	for _, c := range r.tree.Children(s.Span) {
		if r.tree.Async(c) {
			continue
		}
		if r.tree.End(c) <= s.From && (last == trace.None || r.tree.End(c) > r.tree.End(last)) {
			last = c
		}
		if r.tree.Start(c) >= s.To && (next == trace.None || r.tree.Start(c) < r.tree.Start(next)) {
			next = c
		}
	}
	name := func(i int) string {
		if i == trace.None {
			return ""
		}
		return r.tree.Span(i).Operation
	}
	return name(last), name(next)
}
