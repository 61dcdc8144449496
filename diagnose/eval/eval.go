// Package eval measures the diagnosis on recorded incidents, beside rankers
// that know less.
package eval

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/corpus"
	"github.com/tenhop/tenhop/trace"
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
	Rows     []Row        `json:"rows"`
	Verdicts []VerdictRow `json:"verdicts"`
	Misses   []Miss       `json:"misses"`
}

// VerdictRow counts what tenhop said of a group of cases, each draw by itself.
type VerdictRow struct {
	System string `json:"system"`
	Group  string `json:"group"`
	N      int    `json:"n"`
	Spike  int    `json:"spike"`
	Right  int    `json:"right"` // spikes with the labelled service first
	Unsure int    `json:"unsure"`
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

const ours = "tenhop"

// rivals know less.
var rivals = []struct {
	name string
	rank func(base, now []trace.Trace, seed uint64) []string
}{{"largest p99 change", byP99}, {"max |z|", byZ}, {"random", random}}

// Run evaluates all rankers on all incidents. One incident at a time is held.
func Run(n *corpus.Nezha, opt Options, progress func(done, total int)) (Report, error) {
	var t table
	var verdicts verdictTable
	rep := Report{Misses: []Miss{}}
	var base loaded
	for i, c := range n.Cases {
		var fault loaded
		err := base.load(n, c.Normal, opt)
		if err == nil {
			err = fault.load(n, c.Faulty, opt)
		}
		if err != nil {
			return rep, fmt.Errorf("incident %s: %w", c.ID, err)
		}
		label := c.Service
		if opt.Anonymise {
			label = hash(label)
		}
		groups := []string{group(c.Fault), "all", c.Fault}
		miss := Miss{ID: c.ID, Label: label}
		for draw := range uint64(max(opt.Draws, 1)) {
			now := fault.draw(opt.Traces, rand.New(rand.NewPCG(opt.Seed+draw, hash64(c.ID))))
			said := compare.Profiles(base.profile, fault.of(now))
			ranked := services(said.Suspects)
			at := slices.Index(ranked, label)
			if at != 0 {
				if miss.Times++; miss.Times == 1 {
					miss.Ranked = append([]string{}, ranked[:min(len(ranked), 5)]...)
				}
			}
			verdicts.add(c.System, groups, verdict(said), at == 0)
			t.add(c.System, groups, ours, at)
			for _, r := range rivals {
				t.add(c.System, groups, r.name, slices.Index(r.rank(base.Traces, now, opt.Seed+draw+uint64(i)), label))
			}
		}
		if miss.Times > 0 {
			rep.Misses = append(rep.Misses, miss)
		}
		if progress != nil {
			progress(i+1, len(n.Cases))
		}
	}
	rep.Rows, rep.Verdicts = t.rows(max(opt.Draws, 1)), verdicts.rows()
	return rep, nil
}

// verdict returns what a diagnosis says of a comparison alone.
func verdict(c compare.Comparison) string {
	return diagnose.Diagnose(diagnose.Evidence{Comparison: &c}, diagnose.Options{}).Result().Verdict
}

func services(suspects []compare.Suspect) []string {
	var out []string
	for _, s := range suspects {
		out = append(out, s.Service)
	}
	return out
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
	profile *compare.Profile
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
func (l *loaded) of(traces []trace.Trace) *compare.Profile {
	if l.profile != nil && len(traces) == len(l.Traces) {
		return l.profile
	}
	p := compare.NewProfile()
	for _, t := range traces {
		p.Add(t, l.Lines[t.ID])
	}
	return p
}

// draw returns n of the window's traces, all when n is 0.
func (l *loaded) draw(n int, rng *rand.Rand) []trace.Trace {
	if n == 0 || n >= len(l.Traces) {
		return l.Traces
	}
	some := slices.Clone(l.Traces)
	rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	return some[:n]
}
