package sample

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Thresholds of time that was added beside the critical path.
const (
	minOffPath  = .1   // time beside the path, as a fraction of the entry's added time
	minOffRatio = 1.3  // growth of the suspect's self time
	maxOffPathP = .001 // corrected p of that growth
)

// offPath notes the time that hops and dependencies added beside the critical path, and
// adds findings of those that are not found. The entry did not wait for that time,
// because a parallel branch took longer. Requests are replayed without the other
// findings: time that would not delay the entry even then is left out.
func (s *Sample) offPath(found []result.Finding, base, now Requests) []result.Finding {
	added := now.mean(seconds) - base.mean(seconds)
	at := map[suspect]int{}
	onPath := map[suspect]bool{}
	for i, f := range found {
		k := suspect{f.Hop, f.Kind, f.Target}
		at[k], onPath[k] = i, true
	}
	efforts := s.work(base, now)
	path := map[suspect]float64{}
	before, after := base.profile(len(s.places)), now.profile(len(s.places))
	for i, p := range s.places {
		path[s.suspectOf(p)] += after.time[i] - before.time[i]
	}
	var hidden []suspect
	for k, e := range efforts {
		// Time on the path may exceed the work, if calls overlap less.
		off := e.added() - max(path[k], 0)
		if k.kind == result.KindLink || off < minOffPath*added || e.is < minOffRatio*e.was || queued(found, k) {
			continue
		}
		was, is := s.effortsOf(k, base), s.effortsOf(k, now)
		if stats.MannWhitney(was, is)*float64(len(efforts)) < maxOffPathP {
			hidden = append(hidden, k)
		}
	}
	if len(hidden) == 0 {
		return found
	}
	slices.SortFunc(hidden, func(a, b suspect) int {
		return cmp.Or(cmp.Compare(efforts[b].added(), efforts[a].added()), cmp.Compare(a.hop, b.hop), cmp.Compare(a.kind, b.kind), cmp.Compare(a.target, b.target))
	})
	mended := maps.Clone(onPath)
	for _, k := range hidden {
		mended[k] = true
	}
	all, ok := s.meanWithout(mended, base, now)
	for _, k := range hidden {
		delete(mended, k)
		others, _ := s.meanWithout(mended, base, now)
		mended[k] = true
		remains := others - all
		if !ok || remains < minOffPath*added {
			continue // it runs in the shadow of an ordinary branch
		}
		i, listed := at[k]
		if !listed {
			i = len(found)
			found = append(found, s.hidden(k, base, now))
		}
		found[i].OffPath = &result.OffPath{AddedMS: stats.Round((efforts[k].added() - max(path[k], 0)) * 1000), RemainsMS: stats.Round(remains * 1000)}
	}
	return found
}

// queued reports whether calls of a suspect wait in a queue that a finding names.
func queued(found []result.Finding, k suspect) bool {
	return slices.ContainsFunc(found, func(f result.Finding) bool {
		return f.Kind == result.KindConcurrency && !f.Cause.Sure && (k.hop == f.Hop && k.kind == result.KindDependency || k.hop == f.Target)
	})
}

// hidden returns the finding of a suspect that is beside the critical path.
func (s *Sample) hidden(k suspect, base, now Requests) result.Finding {
	before, after := base.profile(len(s.places)), now.profile(len(s.places))
	f := result.Finding{Hop: k.hop, Kind: k.kind, Target: k.target, Attributes: []result.Attribute{}, Exemplars: []string{},
		CounterfactualMS: stats.Round(now.mean(seconds) * 1000)}
	operations := map[string]float64{}
	for i, p := range s.places {
		if s.suspectOf(p) == k {
			f.BaselineMS, f.NowMS = f.BaselineMS+before.time[i]*1000, f.NowMS+after.time[i]*1000
			operations[p.operation] += after.all[i] - before.all[i]
		}
	}
	f.AddedMS = stats.Round(f.NowMS - f.BaselineMS)
	if added := now.mean(seconds) - base.mean(seconds); added > 0 {
		f.Share = stats.Round(max(f.NowMS-f.BaselineMS, 0) / 1000 / added)
	}
	f.BaselineMS, f.NowMS = stats.Round(f.BaselineMS), stats.Round(f.NowMS)
	f.Operation = slices.MaxFunc(slices.Sorted(maps.Keys(operations)), func(a, b string) int { return cmp.Compare(operations[a], operations[b]) })
	return f
}
