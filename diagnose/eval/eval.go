// Package eval measures the diagnosis on recorded incidents, beside rankers
// that know less.
package eval

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/corpus"
)

// Options of an evaluation.
type Options struct {
	Traces    int    // fault traces a case, drawn with Seed; all when 0
	Draws     int    // of fault traces, with Seed and the numbers after it; once when 0
	Seed      uint64 // of the first draw and of the random ranker
	Anonymise bool   // hash services and operations first
	NoLogs    bool   // leave the log lines out
}

// Report is what `tenhop eval --json` prints. Fields are only ever added.
type Report struct {
	Rows   []Row  `json:"rows"`
	Misses []Miss `json:"misses"`
}

// Row is one ranker's accuracy on a group of cases: the share in which the
// labelled service is among the first 1, 3 and 5.
type Row struct {
	System string  `json:"system"`
	Group  string  `json:"group"` // latency, code, all, or a type of fault
	N      int     `json:"n"`
	Top1   float64 `json:"top1"`
	Top3   float64 `json:"top3"`
	Top5   float64 `json:"top5"`
	Ranker string  `json:"ranker"`
}

// Miss is a case whose label tenhop did not rank first, in Times of its draws;
// Ranked is the first of them.
type Miss struct {
	ID     string   `json:"id"`
	Label  string   `json:"label"`
	Times  int      `json:"times"`
	Ranked []string `json:"ranked"`
}

// sides are the two windows of a case, as each ranker wants them.
type sides struct {
	base, now         []diagnose.Trace
	baseSeen, nowSeen *diagnose.Profile
	seed              uint64
}

const ours = "tenhop"

var rankers = []struct {
	name string
	rank func(sides) []string
}{{ours, tenhop}, {"largest p99 change", byP99}, {"max |z|", byZ}, {"random", random}}

func tenhop(s sides) []string {
	var out []string
	for _, s := range diagnose.Compare(s.baseSeen, s.nowSeen) {
		out = append(out, s.Service)
	}
	return out
}

// Run evaluates all rankers on all incidents. One incident at a time is held.
func Run(n *corpus.Nezha, opt Options, progress func(done, total int)) (Report, error) {
	var t table
	rep := Report{Misses: []Miss{}}
	var base loaded
	for i, c := range n.Cases {
		if err := base.load(n, c.Normal, opt); err != nil {
			return rep, fmt.Errorf("incident %s: %w", c.ID, err)
		}
		var fault loaded
		if err := fault.load(n, c.Faulty, opt); err != nil {
			return rep, fmt.Errorf("incident %s: %w", c.ID, err)
		}
		label := c.Service
		if opt.Anonymise {
			label = hash(label)
		}
		miss := Miss{ID: c.ID, Label: label}
		for draw := range uint64(max(opt.Draws, 1)) {
			now := fault.draw(opt.Traces, rand.New(rand.NewPCG(opt.Seed+draw, hash64(c.ID))))
			s := sides{base.Traces, now, base.profile, fault.of(now), opt.Seed + draw + uint64(i)}
			for _, r := range rankers {
				ranked := r.rank(s)
				at := slices.Index(ranked, label)
				for _, g := range []string{group(c.Fault), "all", c.Fault} {
					t.add(c.System, g, r.name, at)
				}
				if r.name == ours && at != 0 {
					if miss.Times++; miss.Times == 1 {
						miss.Ranked = append([]string{}, ranked[:min(len(ranked), 5)]...)
					}
				}
			}
		}
		if miss.Times > 0 {
			rep.Misses = append(rep.Misses, miss)
		}
		if progress != nil {
			progress(i+1, len(n.Cases))
		}
	}
	rep.Rows = t.rows(max(opt.Draws, 1))
	return rep, nil
}

// group tells faults that slow things down from those that change what is done.
func group(fault string) string {
	switch fault {
	case "return", "exception":
		return "code"
	}
	return "latency"
}

// loaded is a window that was read, and what Compare keeps of it.
type loaded struct {
	corpus.Window
	files   corpus.Files
	profile *diagnose.Profile
}

// load reads a window unless it is the one at hand.
func (l *loaded) load(n *corpus.Nezha, files corpus.Files, opt Options) error {
	if opt.NoLogs {
		files.Logs = ""
	}
	if l.files == files {
		return nil
	}
	w, err := n.Window(files)
	if err != nil {
		return err
	}
	if opt.Anonymise {
		anonymise(w)
	}
	*l = loaded{Window: w, files: files}
	l.profile = l.of(w.Traces)
	return nil
}

// of profiles some of the window's traces.
func (l *loaded) of(traces []diagnose.Trace) *diagnose.Profile {
	if l.profile != nil && len(traces) == len(l.Traces) {
		return l.profile
	}
	p := diagnose.NewProfile()
	for _, t := range traces {
		p.Add(t, l.Lines[t.ID])
	}
	return p
}

// draw returns n of the window's traces, all when n is 0.
func (l *loaded) draw(n int, rng *rand.Rand) []diagnose.Trace {
	if n == 0 || n >= len(l.Traces) {
		return l.Traces
	}
	some := slices.Clone(l.Traces)
	rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	return some[:n]
}

// table counts, by system, group and ranker, how often the label came 1st, in
// the first 3 and in the first 5.
type table map[[3]string]*[4]int

func (t *table) add(system, group, ranker string, at int) {
	if *t == nil {
		*t = table{}
	}
	k := [3]string{system, group, ranker}
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
