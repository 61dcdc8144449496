// Package eval measures the diagnosis on recorded incidents, beside rankers
// that know less.
package eval

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
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
	Seed      uint64 // of the draw and of the random ranker
	Anonymise bool   // hash services and operations first
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

// Miss is a case whose label tenhop did not rank first.
type Miss struct {
	ID     string   `json:"id"`
	Label  string   `json:"label"`
	Ranked []string `json:"ranked"`
}

type ranker struct {
	name string
	rank func(base, now []diagnose.Trace, seed uint64) []string
}

var rankers = []ranker{{"tenhop", tenhop}, {"largest p99 change", byP99}, {"max |z|", byZ}, {"random", random}}

// Run evaluates all rankers on all cases.
func Run(c *corpus.Corpus, opt Options, progress func(done, total int)) (Report, error) {
	type cell struct{ n, top [3]int }
	cells := map[[3]string]*cell{}
	var order [][3]string
	rep := Report{Rows: []Row{}, Misses: []Miss{}}
	for i, cs := range c.Cases {
		base, now, label, err := load(c, cs, opt)
		if err != nil {
			return rep, fmt.Errorf("case %s: %w", cs.ID, err)
		}
		for _, r := range rankers {
			ranked := r.rank(base, now, opt.Seed+uint64(i))
			at := slices.Index(ranked, label)
			for _, g := range []string{group(cs.Fault), "all", cs.Fault} {
				k := [3]string{cs.System, g, r.name}
				if cells[k] == nil {
					cells[k] = &cell{}
					order = append(order, k)
				}
				for j, first := range []int{1, 3, 5} {
					cells[k].n[j]++
					if at >= 0 && at < first {
						cells[k].top[j]++
					}
				}
			}
			if r.name == "tenhop" && at != 0 {
				rep.Misses = append(rep.Misses, Miss{ID: cs.ID, Label: label, Ranked: append([]string{}, ranked[:min(len(ranked), 5)]...)})
			}
		}
		if progress != nil {
			progress(i+1, len(c.Cases))
		}
	}
	slices.SortFunc(order, func(a, b [3]string) int {
		return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]), strings.Compare(a[2], b[2]))
	})
	for _, k := range order {
		c := cells[k]
		share := func(j int) float64 { return math.Round(1000*float64(c.top[j])/float64(c.n[j])) / 1000 }
		rep.Rows = append(rep.Rows, Row{System: k[0], Group: k[1], Ranker: k[2], N: c.n[0], Top1: share(0), Top3: share(1), Top5: share(2)})
	}
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

func load(c *corpus.Corpus, cs corpus.Case, opt Options) (base, now []diagnose.Trace, label string, err error) {
	if base, err = c.Traces(cs.Normal); err != nil {
		return nil, nil, "", err
	}
	if now, err = c.Traces(cs.Faulty); err != nil {
		return nil, nil, "", err
	}
	if opt.Traces > 0 && opt.Traces < len(now) {
		now = slices.Clone(now)
		rng := rand.New(rand.NewPCG(opt.Seed, hash64(cs.ID)))
		rng.Shuffle(len(now), func(i, j int) { now[i], now[j] = now[j], now[i] })
		now = now[:opt.Traces]
	}
	label = cs.Service
	if opt.Anonymise {
		return anonymise(base), anonymise(now), hash(label), nil
	}
	return base, now, label, nil
}

// anonymise replaces every name by a hash: the ranking must not change.
func anonymise(traces []diagnose.Trace) []diagnose.Trace {
	out := make([]diagnose.Trace, len(traces))
	for i, t := range traces {
		out[i] = diagnose.Trace{ID: t.ID, Spans: slices.Clone(t.Spans)}
		for j := range out[i].Spans {
			s := &out[i].Spans[j]
			s.Service, s.Operation = hash(s.Service), hash(s.Operation)
		}
	}
	return out
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

func hash64(s string) uint64 {
	var v uint64
	for _, b := range sha256.Sum256([]byte(s)) {
		v = v<<8 | uint64(b)
	}
	return v
}

func tenhop(base, now []diagnose.Trace, _ uint64) []string {
	var out []string
	for _, s := range diagnose.CompareTraces(base, now) {
		out = append(out, s.Service)
	}
	return out
}
