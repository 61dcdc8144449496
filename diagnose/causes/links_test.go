package causes_test

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/result"
)

// TestEitherEnd places a link that nothing else places at the end that stands still.
func TestEitherEnd(t *testing.T) {
	f := newFleet(77)
	caller, callee := f.services[0], f.services[3]
	for _, p := range f.of(callee) {
		p.raise("hop_process_stall_seconds_total", .4)
		p.raise("hop_process_stalls_total", 1.3)
	}
	r := found(result.KindLink, caller, callee, .001, .06)
	r.Findings[0].EitherEnd = true
	if got := explain(t, f, r); got.Hop != callee || got.Target != caller || got.EitherEnd || got.Cause.Kind != result.CauseFrozen {
		t.Errorf("%+v, %s", got, show(got.Cause))
	}
}

// TestLinksTogether takes the word of links that slowed together: what stands at the far end
// of one of them, as it did before now and then, explains none of the others. It may explain
// a link that slowed alone, or one whose hop is not in doubt for another reason.
func TestLinksTogether(t *testing.T) {
	for _, c := range []struct{ together, either bool }{{true, false}, {false, true}, {false, false}} {
		f := newFleet(78)
		hop, far := f.services[0], f.services[3]
		for _, p := range f.of(far) {
			stalls := p.counters["hop_process_stall_seconds_total"]
			for i := 10; i < seconds; i += 25 {
				for k := i; k < min(i+8, seconds); k++ {
					stalls[k] += .02
				}
			}
			for i := quietSeconds; i < seconds; i++ {
				stalls[i] += .02
			}
		}
		r := found(result.KindLink, hop, far, .001, .06)
		r.Findings[0].Together, r.Findings[0].EitherEnd = c.together, c.either
		if got := explain(t, f, r); (got.Cause.Kind == result.CauseLink) != c.together || got.Cause.Sure || got.Hop != hop {
			t.Errorf("together %v, either end %v: %+v, %s", c.together, c.either, got, show(got.Cause))
		}
	}
}

// TestLateScrapes does not doubt a process that counts its stalls and had none because it is
// scraped late, as it is over a slow network.
func TestLateScrapes(t *testing.T) {
	for _, counts := range []bool{false, true} {
		f := newFleet(78)
		hop, far := f.services[0], f.services[3]
		for _, p := range f.of(hop) {
			if !counts {
				delete(p.counters, "hop_process_stall_seconds_total")
			}
			for i := range seconds {
				if took := p.gauges["scrape_duration_seconds"]; i >= quietSeconds || i%50 < 5 {
					took[i] = max(took[i], .07)
				}
			}
		}
		r := found(result.KindLink, hop, far, .001, .2)
		if got := explain(t, f, r); (got.Cause.Kind == result.CauseLink) != counts || got.Cause.Sure {
			t.Errorf("counts its stalls %v: %s", counts, show(got.Cause))
		}
	}
}

// TestHang names a process whose scrapes get no answer, and one that is down, although a
// scrape was lost before.
func TestHang(t *testing.T) {
	for _, c := range []struct {
		took float64
		kind string
	}{{2, result.CauseFrozen}, {.001, result.CauseRestart}} {
		f := newFleet(91)
		caller, callee := f.services[0], f.services[2]
		for len(f.of(callee)) < 2 {
			f.add(callee, 1)
		}
		p := f.of(callee)[1]
		for i := range seconds {
			if i >= quietSeconds || i == 50 || i == 51 {
				p.silent[i], p.gauges["up"][i], p.gauges["scrape_duration_seconds"][i] = true, 0, c.took
			}
		}
		r := found(result.KindLink, callee, caller, .001, 4)
		r.Findings[0].EitherEnd = true
		if got := explain(t, f, r); got.Cause.Kind != c.kind || !got.Cause.Sure || got.Hop != callee || got.Instance != p.name {
			t.Errorf("%+v, %s", got, show(got.Cause))
		}
	}
}
