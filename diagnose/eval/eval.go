// Package eval measures the accuracy of the diagnosis, and of simple baseline methods, on
// recorded incidents.
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

// Options configures an evaluation.
type Options struct {
	Traces    int    // fault traces per case, drawn at random; all if 0
	Draws     int    // draws per case, with consecutive seeds; 1 if 0
	Seed      uint64 // seed of the first draw and of the random ranker
	Anonymise bool   // replace names of services and operations by hashes
	NoLogs    bool   // ignore log lines
}

// Report is the result of an evaluation, as printed by `tenhop eval --json`. Fields may be
// added and are never renamed.
type Report struct {
	Rows     []Row        `json:"rows"`
	Verdicts []VerdictRow `json:"verdicts"`
	Misses   []Miss       `json:"misses"`
}

// VerdictRow counts the verdicts on a group of cases. Each draw counts.
type VerdictRow struct {
	System string `json:"system"`
	Group  string `json:"group"`
	N      int    `json:"n"`
	Spike  int    `json:"spike"`
	Right  int    `json:"right"` // spikes with the labelled service first
	Unsure int    `json:"unsure"`
}

// Row holds the accuracy of one ranker on a group of cases: the ratio, from 0 to 1, of
// cases whose labelled service is among the first 1, 3 and 5.
type Row struct {
	System string  `json:"system"`
	Group  string  `json:"group"` // latency, code, all, or a type of fault
	N      int     `json:"n"`
	Top1   float64 `json:"top1"`
	Top3   float64 `json:"top3"`
	Top5   float64 `json:"top5"`
	Ranker string  `json:"ranker"`
}

// Miss is a case in which tenhop did not rank the labelled service first.
type Miss struct {
	ID     string   `json:"id"`
	Label  string   `json:"label"`
	Times  int      `json:"times"`  // number of draws that missed
	Ranked []string `json:"ranked"` // first five of the first such draw
}

const tenhop = "tenhop"

// baselines lists the simple methods that tenhop is compared with.
var baselines = []struct {
	name string
	rank func(base, now []trace.Trace, seed uint64) []string
}{{"largest p99 change", byP99}, {"max |z|", byZ}, {"random", random}}

// Run evaluates all rankers on all incidents of a corpus. It holds one incident in memory
// at a time. It calls progress, if not nil, after each. An error names the incident.
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
			comparison := compare.Profiles(base.profile, fault.profileOf(now))
			ranked := services(comparison.Suspects)
			at := slices.Index(ranked, label)
			if at != 0 {
				if miss.Times++; miss.Times == 1 {
					miss.Ranked = append([]string{}, ranked[:min(len(ranked), 5)]...)
				}
			}
			verdicts.add(c.System, groups, verdict(comparison), at == 0)
			t.add(c.System, groups, tenhop, at)
			for _, r := range baselines {
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

// verdict returns the verdict of a diagnosis whose only evidence is a comparison.
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

// group returns "code" for faults that change the control flow and "latency" for all
// others.
func group(fault string) string {
	switch fault {
	case "return", "exception":
		return "code"
	}
	return "latency"
}

// loaded is a window that was read, and its profile.
type loaded struct {
	corpus.Window
	files   corpus.Files
	profile *compare.Profile
}

// load reads a window unless it is already loaded.
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
	l.profile = l.profileOf(w.Traces)
	return nil
}

// profileOf returns the profile of some traces of the window.
func (l *loaded) profileOf(traces []trace.Trace) *compare.Profile {
	if l.profile != nil && len(traces) == len(l.Traces) {
		return l.profile
	}
	p := compare.NewProfile()
	for _, t := range traces {
		p.Add(t, l.Lines[t.ID])
	}
	return p
}

// draw returns n random traces of the window, or all if n is 0.
func (l *loaded) draw(n int, rng *rand.Rand) []trace.Trace {
	if n == 0 || n >= len(l.Traces) {
		return l.Traces
	}
	some := slices.Clone(l.Traces)
	rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	return some[:n]
}
