package stall

import (
	"fmt"
	"math"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// processes returns the processes that restart again and again, that have restarted while
// calls to them failed, or that do not answer. have holds the hangs.
func (f *fleet) processes(have []Stall) (out []Stall) {
	named := map[string]bool{}
	for _, s := range have {
		named[s.Hop] = true
	}
	for _, p := range f.m.Processes {
		since, unanswered := p.Down()
		var times []time.Time
		for _, at := range p.Starts {
			if at.After(f.end.Add(-recent)) {
				times = append(times, at)
			}
		}
		failed, calls := f.failed(p.Service)
		s := Stall{Hop: p.Service, Entry: f.entry(p.Service)}
		if len(f.of[p.Service]) > 1 {
			s.Instance = p.Instance
		}
		switch {
		case len(times) >= minTimes:
			s.Kind, s.Sure, s.Since = Restart, true, times[0]
			s.Why = fmt.Sprintf("%s restarts again and again: %d times since %s", instanceOf(p), len(times), times[0].Format("15:04:05"))
		case len(times) > 0 && failed > 0:
			s.Kind, s.Since = Restart, times[0]
			s.Why = fmt.Sprintf("%s has restarted at %s", instanceOf(p), times[0].Format("15:04:05"))
		case unanswered > 0 && failed > 0 || unanswered > 1:
			if named[p.Service] {
				continue
			}
			s.Kind, s.Since = Down, since
			s.Why = fmt.Sprintf("%s has not answered a scrape since %s", instanceOf(p), since.Format("15:04:05"))
			s.Evidence = append(s.Evidence, result.Signal{Signal: "up of " + instanceOf(p), Before: 1, Now: 0})
		default:
			continue
		}
		if s.Kind == Restart {
			s.Evidence = append(s.Evidence, result.Signal{Signal: "restarts of " + instanceOf(p) + " in a minute", Now: float64(len(times))})
		}
		if failed > 0 {
			s.Why += fmt.Sprintf("; %.0f of %.0f calls to it failed in the last %s", failed, calls, recent)
			s.Evidence = append(s.Evidence, result.Signal{Signal: "failed calls to " + p.Service, Now: failed})
		}
		out = append(out, s)
	}
	return out
}

// failed returns the number of calls to a service within the last minute that failed, as
// their callers count them, beyond those expected from the time before, and of all calls.
func (f *fleet) failed(service string) (failed, calls float64) {
	for _, c := range f.m.Calls {
		if c.Dependency != service {
			continue
		}
		bad, all := c.Failed, c.Count
		if c.LevelCount != nil {
			bad, all = c.LevelFailed, c.LevelCount
		}
		from := max(len(all)-int(recent/max(f.m.Step, time.Second)), 0)
		now, before := evidence.Steps(from, len(all)), evidence.Steps(0, from)
		usual := 0.0
		if n := before.Sum(all); n > 0 {
			usual = before.Sum(bad) / n
		}
		n := now.Sum(all)
		if x := now.Sum(bad); x > usual*n+3*math.Sqrt(usual*n) {
			failed += x
		}
		calls += n
	}
	return stats.Round(failed), stats.Round(calls)
}

// entry returns the entry whose requests pass a service most often.
func (f *fleet) entry(service string) result.Entry {
	best, most := result.Entry{}, -1.0
	for _, e := range f.m.Entries {
		n := 0.0
		for _, h := range f.m.Hops {
			if h.Service == service && h.Entry == e.Operation {
				n += evidence.Steps(0, f.m.Steps).Sum(h.Count)
			}
		}
		if n > most && e.Flow != "async" {
			best, most = e.Entry, n
		}
	}
	return best
}
