package trace

import (
	"slices"
	"time"
)

// SelfTimes returns each span's duration minus the union of its children's
// intervals, as far as they lie within it.
func SelfTimes(t Trace) []time.Duration {
	children := map[string][]int{}
	for i, s := range t.Spans {
		if s.Parent != "" && s.Parent != s.ID {
			children[s.Parent] = append(children[s.Parent], i)
		}
	}
	out := make([]time.Duration, len(t.Spans))
	for i, s := range t.Spans {
		end := s.End()
		kids := children[s.ID]
		slices.SortFunc(kids, func(a, b int) int { return t.Spans[a].Start.Compare(t.Spans[b].Start) })
		covered, reached := time.Duration(0), s.Start
		for _, k := range kids {
			from, to := t.Spans[k].Start, t.Spans[k].End()
			if from.Before(reached) {
				from = reached
			}
			if to.After(end) {
				to = end
			}
			if to.After(from) {
				covered += to.Sub(from)
				reached = to
			}
		}
		out[i] = max(s.Duration-covered, 0)
	}
	return out
}
