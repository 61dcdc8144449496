package eval

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/corpus"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// QuietReport counts the verdicts of comparing the two halves of ordinary windows. Every
// spike is a false alarm.
type QuietReport struct {
	Split    string   `json:"split"` // time or random
	Windows  int      `json:"windows"`
	Compared int      `json:"compared"` // number of comparisons: windows × draws
	Alarms   int      `json:"alarms"`
	Unsure   int      `json:"unsure"`
	Which    []string `json:"which"` // case and first suspect of each false alarm
}

// Quiet divides each distinct ordinary window into halves, by time or at random, and
// compares them. Random halves are drawn opt.Draws times with consecutive seeds from
// opt.Seed. Windows are distinct if their sets of trace IDs differ. An error names the
// incident.
func Quiet(n *corpus.Nezha, opt Options, random bool) (QuietReport, error) {
	rep := QuietReport{Split: "time", Which: []string{}}
	draws := 1
	if random {
		rep.Split, draws = "random", max(opt.Draws, 1)
	}
	files, seen := map[corpus.Files]bool{}, map[uint64]bool{}
	for _, c := range n.Cases {
		if files[c.Normal] {
			continue
		}
		files[c.Normal] = true
		var w loaded
		if err := w.load(n, c.Normal, opt); err != nil {
			return rep, fmt.Errorf("incident %s: %w", c.ID, err)
		}
		if k := w.key(); seen[k] {
			continue
		} else {
			seen[k] = true
		}
		rep.Windows++
		traces := slices.Clone(w.Traces)
		for draw := range uint64(draws) {
			slices.SortStableFunc(traces, func(a, b trace.Trace) int { return started(a).Compare(started(b)) })
			if random {
				rng := rand.New(rand.NewPCG(opt.Seed+draw, hash64(c.ID)))
				rng.Shuffle(len(traces), func(i, j int) { traces[i], traces[j] = traces[j], traces[i] })
			}
			half := len(traces) / 2
			got := compare.Profiles(w.profileOf(traces[:half]), w.profileOf(traces[half:]))
			rep.Compared++
			switch verdict(got) {
			case result.Spike:
				rep.Alarms++
				s := got.Suspects[0]
				rep.Which = append(rep.Which, fmt.Sprintf("%s: %s %s %s, %s", c.ID, s.Service, s.Operation, s.Kind, s.Evidence))
			case result.Unsure:
				rep.Unsure++
			}
		}
	}
	return rep, nil
}

// key returns a hash of the window's trace IDs.
func (l *loaded) key() uint64 {
	var ids []string
	for _, t := range l.Traces {
		ids = append(ids, t.ID)
	}
	slices.Sort(ids)
	return hash64(strings.Join(ids, " "))
}

// started returns the start of a trace.
func started(t trace.Trace) time.Time {
	first := t.Spans[0].Start
	for _, s := range t.Spans {
		if s.Start.Before(first) {
			first = s.Start
		}
	}
	return first
}
