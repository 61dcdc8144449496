package stall_test

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stall"
)

// The scrapes of both ends of a slow link take long. The end that says that it did not stand
// still is not frozen; one that does not say may be.
func TestStarvedByItsOwnAccount(t *testing.T) {
	const every, before, now = 2 * time.Second, 60, 10
	for _, c := range []struct {
		why        string
		caller     float64 // of each second, for which the caller stood still; negative if it does not say
		callee     float64
		want, kind string
	}{
		{"the callee stood still", .001, .3, "stock", result.KindSelf},
		{"the caller stood still", .4, .002, "edge", result.KindSelf},
		{"neither did", .001, .002, "edge", result.KindLink},
		{"the callee does not say", .001, -1, "stock", result.KindSelf},
	} {
		m := evidence.Metrics{Start: time.Unix(1_700_000_000, 0), Step: every, Steps: before + now}
		for _, p := range []struct {
			service string
			stalled float64
		}{{"edge", c.caller}, {"stock", c.callee}} {
			add := evidence.Process{Service: p.service, Instance: p.service + "-1"}
			total := 0.0
			for i := range m.Steps {
				scrape := .006
				if i >= before {
					scrape = .07
					total += max(p.stalled, 0) * every.Seconds()
				}
				add.Scrape = append(add.Scrape, evidence.Reading{At: m.At(i), Value: scrape})
				if p.stalled >= 0 {
					add.Stalled = append(add.Stalled, evidence.Reading{At: m.At(i), Value: total})
				}
			}
			m.Processes = append(m.Processes, add)
		}
		change := evidence.Change{Baseline: evidence.Steps(0, before), Now: evidence.Steps(before, m.Steps),
			Entry: evidence.EntrySeries{Count: make([]float64, m.Steps), Sum: make([]float64, m.Steps)}}
		found := stall.Starved(m, change, []result.Finding{{Hop: "edge", Kind: result.KindLink, Target: "stock", BaselineMS: 1, NowMS: 60, AddedMS: 59, Share: .9}})
		if len(found) != 1 || found[0].Hop != c.want || found[0].Kind != c.kind {
			t.Errorf("%s: %+v, want %s at %s", c.why, found, c.kind, c.want)
		}
	}
}
