package causes

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// A target that was scraped before it had a series of requests in flight had none in flight.
func TestOldestFromItsFirstSample(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1_700_000_000, 0).Add(time.Duration(s) * time.Second) }
	i := &instance{service: "stock", name: "a:1", tracks: map[signals.Measure]track{}}
	for s := 0; s <= 100; s += 2 {
		i.scraped = append(i.scraped, at(s))
	}
	sig := signals.CauseSignal{Series: "hop_oldest_request_age_seconds", Measure: signals.OldestRequest, Unit: 1}
	var late prometheus.Series
	for s := 90; s <= 100; s += 2 {
		late.Samples = append(late.Samples, prometheus.Sample{At: at(s), Value: float64(s - 89)})
	}
	i.addTrack(sig, late, map[string]int{})
	tab := &table{instances: []*instance{i}, windows: windows{baseline: []result.Range{{From: at(0), To: at(89)}}, now: result.Range{From: at(89), To: at(101)}}}
	g := tab.growths([]string{"stock"})
	if len(g) != 1 || !g[0].moved || g[0].before != 0 {
		t.Errorf("%+v, want a growth from 0", g)
	}
}

// A service answers if its scrapes are late and it counts no stalls.
func TestAnswersLate(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	point := func(v float64) []point { return []point{{from: at, to: at, value: v}} }
	for counts, want := range map[bool]bool{true: true, false: false} {
		i := &instance{service: "stock", name: "a:1", tracks: map[signals.Measure]track{signals.Up: {points: point(1)}}}
		if counts {
			i.tracks[signals.Stalled] = track{points: point(0)}
		}
		tab := &table{instances: []*instance{i}, windows: windows{now: result.Range{From: at.Add(-time.Second), To: at.Add(time.Second)}}}
		late := growth{signal: signals.CauseSignal{Measure: signals.ScrapeTime}, service: "stock", instance: "a:1", moved: true}
		if got := tab.answers("stock", []growth{late}); got != want {
			t.Errorf("it counts its stalls %v: answers %v", counts, got)
		}
	}
}
