package eval

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
)

// table counts, by system, group and ranker, all draws and those with the label among the
// first 1, 3 and 5.
type table map[[3]string]*[4]int

func (t *table) add(system string, groups []string, ranker string, at int) {
	if *t == nil {
		*t = table{}
	}
	for _, g := range groups {
		k := [3]string{system, g, ranker}
		c := (*t)[k]
		if c == nil {
			c = new([4]int)
			(*t)[k] = c
		}
		c[0]++
		for j, first := range []int{1, 3, 5} {
			if at >= 0 && at < first {
				c[j+1]++
			}
		}
	}
}

func (t *table) rows(draws int) []Row {
	rows := []Row{}
	for k, c := range *t {
		share := func(j int) float64 { return math.Round(1000*float64(c[j])/float64(c[0])) / 1000 }
		rows = append(rows, Row{System: k[0], Group: k[1], Ranker: k[2], N: c[0] / draws, Top1: share(1), Top3: share(2), Top5: share(3)})
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(strings.Compare(a.System, b.System), strings.Compare(a.Group, b.Group), strings.Compare(a.Ranker, b.Ranker))
	})
	return rows
}

// verdictTable counts verdicts by system and group.
type verdictTable map[[2]string]*VerdictRow

func (t *verdictTable) add(system string, groups []string, verdict string, right bool) {
	if *t == nil {
		*t = verdictTable{}
	}
	for _, g := range groups {
		k := [2]string{system, g}
		r := (*t)[k]
		if r == nil {
			r = &VerdictRow{System: system, Group: g}
			(*t)[k] = r
		}
		r.N++
		switch verdict {
		case result.Spike:
			r.Spike++
			if right {
				r.Right++
			}
		case result.Unsure:
			r.Unsure++
		}
	}
}

func (t *verdictTable) rows() []VerdictRow {
	rows := []VerdictRow{}
	for _, r := range *t {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b VerdictRow) int {
		return cmp.Or(strings.Compare(a.System, b.System), strings.Compare(a.Group, b.Group))
	})
	return rows
}
