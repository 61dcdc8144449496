package causes_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/causes"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/signals"
)

// wanderers returns hops each with the given number of signals that have to do with nothing:
// random walks, and signals that change to another level at a random time.
func wanderers(rng *rand.Rand, hops, each, length int) (names []string, out []promtest.Target) {
	usual := map[signals.Measure]float64{signals.CPUTime: .1, signals.CPUWait: .03, signals.ScheduleWait: .02, signals.Stalled: .005, signals.Stalls: .1, signals.GCTime: .01,
		signals.Throttled: .01, signals.Throttles: .2, signals.MemoryUsed: 1e8, signals.MemoryLimit: 1e9, signals.DiskFaults: 1, signals.ScrapeTime: .006, signals.PoolWaiting: .5, signals.LockBlocked: .5, signals.GCPauses: 1}
	var able []signals.CauseSignal
	for _, s := range signals.CauseSignals() {
		switch s.Measure { // events, which have a test of their own
		case signals.Up, signals.Started, signals.Restarts, signals.MemoryKills, signals.StoreTime, signals.StoreCalls:
			continue
		}
		if s.Service == nil && !s.Host {
			able = append(able, s)
		}
	}
	for range hops {
		name := fmt.Sprintf("%c%05x", 'a'+rng.IntN(26), rng.IntN(1<<20))
		names = append(names, name)
		target := promtest.Target{Job: "fleet", Instance: name + ":1", Every: every, Counters: []promtest.Counter{
			level("up", map[string]string{}, 1, 1), level("process_start_time_seconds", map[string]string{"service_name": name}, 1e9, 1e9)}}
		rng.Shuffle(len(able), func(i, j int) { able[i], able[j] = able[j], able[i] })
		for _, s := range able[:min(each, len(able))] {
			rate := usual[s.Measure]
			if rate == 0 {
				rate = .005
			}
			values := make([]float64, length)
			walk, turn, factor := 0.0, rng.IntN(length), math.Exp(1.2*rng.NormFloat64())
			steps := rng.IntN(2) == 0
			for i := range values {
				walk += .06 * rng.NormFloat64()
				values[i] = rate / s.Unit * math.Exp(.2*rng.NormFloat64())
				if !steps {
					values[i] *= math.Exp(walk)
				} else if i >= turn {
					values[i] *= factor
				}
			}
			if !s.Measure.Gauge() {
				for i := 1; i < len(values); i++ {
					values[i] += values[i-1]
				}
			}
			l := map[string]string{"service_name": name}
			for k, v := range s.Only {
				l[k] = v[0]
			}
			target.Counters = append(target.Counters, promtest.Counter{Name: s.Series, Labels: l, At: func(at time.Time) float64 {
				return values[min(max(int(at.Sub(began).Seconds()), 0), len(values)-1)]
			}})
		}
		out = append(out, target)
	}
	return names, out
}

// TestWanderers is never sure of a cause, and seldom names one, among 300 signals of twelve
// hops that change by chance.
func TestWanderers(t *testing.T) {
	const hops, each, length, rounds = 12, 25, 240, 5
	kinds := []string{result.KindSelf, result.KindLink, result.KindErrors, result.KindDependency}
	asked, wrong := 0, 0
	for seed := range uint64(rounds) {
		rng := rand.New(rand.NewPCG(seed, 99))
		names, targets := wanderers(rng, hops, each, length)
		end := began.Add(length * time.Second)
		srv := promtest.Serve(t, began, end, targets...)
		client, err := prometheus.New(srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, hop := range names {
			kind, target := kinds[(int(seed)+i)%len(kinds)], ""
			if kind == result.KindLink || kind == result.KindDependency {
				target = names[(i+1)%len(names)]
			}
			added := .03 * math.Exp(2*rng.Float64())
			if kind == result.KindErrors {
				added = 0
			}
			r := found(kind, hop, target, .01, added)
			r.Window, r.Baseline = result.Range{From: end.Add(-16 * time.Second), To: end.Add(-2 * time.Second)}, result.Range{From: began, To: end.Add(-16 * time.Second)}
			r.Requests.Baseline = (length - 16) * perSecond
			if _, err := causes.Explain(t.Context(), client, causes.Question{Result: r, Now: end}); err != nil {
				t.Fatal(err)
			}
			asked++
			got := r.Findings[0]
			if claims := got.Cause.Kind != result.CauseUnknown && got.Cause.Kind != result.CauseLink && got.Cause.Kind != result.CauseDependency; claims || got.Cause.Sure || got.Instance != "" {
				wrong++
				t.Logf("seed %d, %s: %s", seed, kind, show(got.Cause))
				if got.Cause.Sure {
					t.Errorf("seed %d, %s: sure of %s", seed, kind, show(got.Cause))
				}
			}
		}
	}
	t.Logf("%d of %d findings have a wrong cause", wrong, asked)
	if 20*wrong > asked {
		t.Errorf("%d of %d findings have a wrong cause, want at most 5 %%", wrong, asked)
	}
}
