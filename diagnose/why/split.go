package why

import (
	"cmp"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
)

// split is the own time of requests by kind.
type split struct {
	rec   *recording
	parts [kinds]part
}

// part is the time of one kind.
type part struct {
	total  int64
	places map[string]*place // by the functions that are shown
}

// place is the time of one kind at one stack.
type place struct {
	total  int64
	stacks map[int]int64 // they differ in lines
	by     map[int]int64 // stack of the waker
}

func (sp *split) add(k kind, ns int64, stack, by int) {
	p := &sp.parts[k]
	p.total += ns
	if stack == 0 {
		return
	}
	if p.places == nil {
		p.places = map[string]*place{}
	}
	key := sp.rec.stacks.key(stack)
	at := p.places[key]
	if at == nil {
		at = &place{stacks: map[int]int64{}, by: map[int]int64{}}
		p.places[key] = at
	}
	at.total += ns
	at.stacks[stack] += ns
	if by != 0 {
		at.by[by] += ns
	}
}

// own returns the ranges of a hop in which no call of it was in flight.
func (h *hop) own() (out []span) {
	at := h.from
	for _, w := range h.waits {
		if w.from > at {
			out = append(out, span{at, w.from})
		}
		at = max(at, w.to)
	}
	if at < h.to {
		out = append(out, span{at, h.to})
	}
	return out
}

func (h *hop) ownTime() (ns int64) {
	for _, s := range h.own() {
		ns += s.len()
	}
	return ns
}

// maxDepth bounds how far goroutines are followed that goroutines of a request start.
const maxDepth = 3

// hop divides the own time of a request.
func (sp *split) hop(h *hop) {
	for _, in := range h.own() {
		sp.goroutine(sp.rec.goroutines[h.goroutine], in, h.from, maxDepth)
	}
}

// goroutine divides a range of the time of a goroutine. While it waits for one that it has
// started itself since the request began, that one counts.
func (sp *split) goroutine(g *goroutine, in span, began int64, depth int) {
	g.during(in, func(c span, s *state) {
		switch s.kind {
		case running:
			collects := overlap(c, g.collect)
			sp.add(collector, collects, 0, 0)
			sp.running(g, c, c.len()-collects, s.stack)
		case runnable:
			collects := overlap(c, g.collect) // it has yielded its processor meanwhile
			switch {
			case sp.rec.stacks.collects(s.stack):
				collects = c.len()
			case collects == 0:
				collects = overlap(c, sp.rec.pauses)
			}
			sp.add(collector, collects, 0, 0)
			sp.add(runnable, c.len()-collects, s.stack, 0)
		case unclassified:
			sp.wait(g, c, s, began, depth)
		default:
			sp.add(s.kind, c.len(), s.stack, 0)
		}
	})
}

func (sp *split) wait(g *goroutine, c span, s *state, began int64, depth int) {
	if s.reason == "" {
		sp.add(other, c.len(), s.stack, 0)
		return
	}
	k, joins := sp.rec.kindOf(s)
	by := s.wakerAt
	if w := sp.rec.goroutines[s.waker]; joins && w != nil && depth > 0 {
		if w.parent == g.id && w.created >= began {
			if before := (span{c.from, min(w.created, c.to)}); before.len() > 0 {
				sp.add(k, before.len(), s.stack, by)
			}
			if after := (span{max(c.from, w.created), c.to}); after.len() > 0 {
				sp.goroutine(w, after, began, depth-1)
			}
			return
		}
		if sp.rec.reads(w, c) {
			k, by = network, 0
		}
	}
	if k != lock && k != channel {
		by = 0
	}
	sp.add(k, c.len(), s.stack, by)
}

// reads reports whether a goroutine mostly waited for the network in a range of time. The
// reader of a connection passes on what it has read by a channel.
func (r *recording) reads(w *goroutine, in span) bool {
	waited := int64(0)
	w.during(in, func(c span, s *state) {
		if s.reason == "network" {
			waited += c.len()
		}
	})
	return 2*waited > in.len()
}

// running adds time in which a goroutine ran, by the samples of the CPU profile. Without
// one in the range, the stack at its end stands for it.
func (sp *split) running(g *goroutine, in span, ns int64, end int) {
	i, _ := slices.BinarySearchFunc(g.samples, in.from, func(s sample, at int64) int { return cmp.Compare(s.at, at) })
	j := i
	for j < len(g.samples) && g.samples[j].at < in.to {
		j++
	}
	add := func(ns int64, stack int) {
		if sp.rec.stacks.collects(stack) {
			sp.add(collector, ns, stack, 0)
		} else {
			sp.add(running, ns, stack, 0)
		}
	}
	if i == j {
		add(ns, end)
		return
	}
	for _, s := range g.samples[i:j] {
		add(ns/int64(j-i), s.stack)
	}
}

// overlap returns the time that a range has in common with others. These do not overlap
// each other and are in order.
func overlap(in span, with []span) (ns int64) {
	i, _ := slices.BinarySearchFunc(with, in.from, func(s span, at int64) int { return cmp.Compare(s.to, at) })
	for ; i < len(with) && with[i].from < in.to; i++ {
		ns += in.and(with[i]).len()
	}
	return ns
}

// result returns the parts of at least a thousandth of the time, as means of n requests.
func (sp *split) result(n int) []result.WhyPart {
	total := int64(0)
	for _, p := range sp.parts {
		total += p.total
	}
	var out []result.WhyPart
	for k := range kinds {
		p := &sp.parts[k]
		if p.total*1000 < total || p.total == 0 {
			continue
		}
		w := result.WhyPart{Kind: names[k], MS: ms(p.total) / float64(n), Share: float64(p.total) / float64(total)}
		if top := largest(p.places); top != nil {
			w.Stack, w.StackShare = sp.rec.stacks.frames(most(top.stacks)), float64(top.total)/float64(p.total)
			if by := most(top.by); by != 0 {
				w.By = sp.rec.stacks.frames(by)
			}
		}
		out = append(out, w)
	}
	slices.SortStableFunc(out, func(a, b result.WhyPart) int { return cmp.Compare(b.MS, a.MS) })
	return out
}

func largest(places map[string]*place) *place {
	var top string
	for key, p := range places {
		if t := places[top]; t == nil || p.total > t.total || p.total == t.total && key < top {
			top = key
		}
	}
	return places[top]
}

// most returns the stack with most time, or 0.
func most(stacks map[int]int64) (top int) {
	for id, ns := range stacks {
		if ns > stacks[top] || ns == stacks[top] && id < top {
			top = id
		}
	}
	return top
}

func ms(ns int64) float64 { return float64(ns) / 1e6 }
