package sample

import (
	"maps"
	"slices"
	"time"
)

// Traces farther than a day, and than ten times the length of the sample, from the others
// were measured by a wrong clock if they are at most one in a hundred on either side.
const (
	minTraces   = 20
	farAway     = 24 * time.Hour
	farAwayFrom = 10
)

// Misdated returns the number of traces left out because their clock was wrong.
func (s *Sample) Misdated() int { return s.misdated }

// dropMisdated removes the steps of traces with a wrong clock, which would stretch the
// series.
func (s *Sample) dropMisdated(entries map[entryKey]steps) {
	at := map[int64]int{}
	total := 0
	for _, p := range entries {
		for k, c := range p {
			at[k] += c.traces
			total += c.traces
		}
	}
	if total < minTraces {
		return
	}
	order := slices.Sorted(maps.Keys(at))
	few := max(total/100, 1)
	low, high := beyond(order, at, few), 0
	slices.Reverse(order)
	high = beyond(order, at, few)
	first, last := order[len(order)-1-low], order[high]
	far := max(int64(farAway/s.step), farAwayFrom*(last-first))
	for _, p := range entries {
		for k, c := range p {
			if k < first-far || k > last+far {
				s.misdated += c.traces
				delete(p, k)
			}
		}
	}
	maps.DeleteFunc(entries, func(_ entryKey, p steps) bool { return len(p) == 0 })
}

// beyond returns the number of leading steps with at most a few traces together.
func beyond(order []int64, at map[int64]int, few int) int {
	n := 0
	for i, k := range order {
		if n += at[k]; n > few {
			return i
		}
	}
	return 0
}
