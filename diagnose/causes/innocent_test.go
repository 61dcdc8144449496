package causes_test

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// TestBusyCollector names the collector of a process that gets little of a processor, because
// the machine is busy. The others wait for a processor as long and collect as they did.
func TestBusyCollector(t *testing.T) {
	for seed := range uint64(4) {
		f := newFleet(500 + seed)
		hop := f.services[f.rng.IntN(len(f.services))]
		for _, p := range f.proc {
			p.raise("hop_process_run_delay_seconds_total", .4)
			p.raise("process_cpu_seconds_total", .03)
			p.raise("go_cpu_classes_gc_total_cpu_seconds_total", .004)
		}
		for _, p := range f.of(hop) {
			p.raise("process_cpu_seconds_total", .13)
			p.raise("go_cpu_classes_gc_total_cpu_seconds_total", .14)
			p.raise("hop_process_run_delay_seconds_total", .3)
		}
		innocent := f.services[0]
		if innocent == hop {
			innocent = f.services[1]
		}
		if got := explain(t, f, found(result.KindSelf, hop, "", .01, .08)); got.Cause.Kind != result.CauseGC {
			t.Errorf("seed %d: %s", seed, show(got.Cause))
		}
		if got := explain(t, f, found(result.KindSelf, innocent, "", .01, .08)); got.Cause.Kind == result.CauseGC {
			t.Errorf("seed %d, another hop: %s", seed, show(got.Cause))
		}
	}
}

// TestInnocent names no cause at a target that answers scrapes late and waits for a
// processor under load, by as much as innocent ones did on the storefront.
func TestInnocent(t *testing.T) {
	for seed := range uint64(4) {
		f := newFleet(4000 + seed)
		for _, p := range f.proc {
			p.raiseGauge("scrape_duration_seconds", 7.2*p.gauges["scrape_duration_seconds"][0])
			p.raise("hop_process_run_delay_seconds_total", .066)
		}
		kind, target := result.KindSelf, ""
		if seed%2 == 1 {
			kind, target = result.KindLink, f.services[1]
		}
		if got := explain(t, f, found(kind, f.services[0], target, .01, .15)); got.Cause.Sure || got.Instance != "" {
			t.Errorf("seed %d: %s at %q", seed, show(got.Cause), got.Instance)
		}
	}
}

// TestQuiet claims no cause where no signal moved, for many seeds and kinds of finding.
func TestQuiet(t *testing.T) {
	wrong := 0
	const rounds = 16
	for seed := range uint64(rounds) {
		f := newFleet(9000 + seed)
		hop, target := f.services[0], ""
		kind := []string{result.KindSelf, result.KindLink, result.KindErrors, result.KindDependency}[seed%4]
		if kind == result.KindLink || kind == result.KindDependency {
			target = f.services[1]
		}
		if got := explain(t, f, found(kind, hop, target, .01, .1)); got.Cause.Sure || got.Instance != "" {
			wrong++
			t.Logf("seed %d, %s: %s at %q", seed, kind, show(got.Cause), got.Instance)
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d quiet fleets have a sure cause", wrong, rounds)
	}
}

// TestEverywhere is not sure of a cause that moves at all services alike.
func TestEverywhere(t *testing.T) {
	for seed := range uint64(4) {
		f := newFleet(500 + seed)
		for _, p := range f.proc {
			p.raise("hop_process_run_delay_seconds_total", 2)
			p.raise("go_schedule_duration_seconds_sum", 2)
		}
		if got := explain(t, f, found(result.KindSelf, f.services[0], "", .01, .1)); got.Cause.Sure {
			t.Errorf("seed %d: %s", seed, show(got.Cause))
		}
	}
}

// TestBusyMachine does not blame a hop while the processes of all services wait for a
// processor, unless a signal of its own tells why it is slow.
func TestBusyMachine(t *testing.T) {
	for seed := range uint64(4) {
		for _, c := range []struct {
			what        string
			all, burns  bool
			wantVerdict string
		}{
			{"all wait", true, false, result.Unsure},
			{"one waits", false, false, result.Spike},
			{"all wait for one that computes", true, true, result.Spike},
		} {
			f := newFleet(900 + seed)
			hop := f.services[1]
			for _, p := range f.proc {
				if c.all || p.service == hop {
					p.raise("hop_process_run_delay_seconds_total", .8)
				}
				if c.burns && p.service == hop {
					p.raise("process_cpu_seconds_total", 2)
				}
			}
			r := found(result.KindSelf, hop, "", .01, .1)
			first := explain(t, f, r)
			if r.Verdict != c.wantVerdict || (r.Verdict == result.Unsure) != (r.Why != "") {
				t.Errorf("seed %d, %s: %s %q, %s", seed, c.what, r.Verdict, r.Why, show(first.Cause))
			}
		}
	}
}

// TestBusyMachineStore does not blame a store whose calls all take longer while the processes
// of all services wait for a processor.
func TestBusyMachineStore(t *testing.T) {
	for _, busy := range []bool{false, true} {
		f := newFleet(950)
		hop := f.services[1]
		targets := f.targets()
		if busy {
			for _, p := range f.proc {
				p.raise("hop_process_run_delay_seconds_total", .8)
			}
			targets = f.targets()
		}
		for i, p := range f.proc {
			if p.service != hop {
				continue
			}
			for _, x := range []calls{{"UPDATE", "", 20, 0, .001, .05, .2}, {"SELECT", "", 20, 0, .001, .04, .2}, {"COMMIT", "", 20, 0, .001, .03, .2}} {
				targets[i].Counters = append(targets[i].Counters, x.counters(hop)...)
			}
			break
		}
		r := found(result.KindDependency, hop, "stock-db", .01, .1)
		c := causeFrom(t, r, evidence.Metrics{}, targets...)
		if want := map[bool]string{false: result.Spike, true: result.Unsure}[busy]; r.Verdict != want {
			t.Errorf("busy %v: %s %q, %s", busy, r.Verdict, r.Why, show(c))
		}
	}
}

// TestTooSmall is not sure of a signal that moves clearly, by an amount that does not
// explain the added time.
func TestTooSmall(t *testing.T) {
	for seed := range uint64(4) {
		f := newFleet(700 + seed)
		for _, p := range f.of(f.services[2]) {
			p.raise("go_sync_mutex_wait_total_seconds_total", .2) // of 10 s/s
			p.raise("process_cpu_seconds_total", .3)
		}
		if got := explain(t, f, found(result.KindSelf, f.services[2], "", .01, .5)); got.Cause.Sure {
			t.Errorf("seed %d: %s", seed, show(got.Cause))
		}
	}
}

// TestTraffic finds no cause in signals that grow with the number of requests.
func TestTraffic(t *testing.T) {
	for seed := range uint64(3) {
		f := newFleet(800 + seed)
		hop := f.services[1]
		for _, p := range f.of(hop) {
			for name, rates := range p.counters {
				p.raise(name, 2*rates[0])
			}
		}
		r := found(result.KindSelf, hop, "", .01, .02)
		r.Requests.Now *= 3
		if got := explain(t, f, r); got.Cause.Sure {
			t.Errorf("seed %d: %s", seed, show(got.Cause))
		}
	}
}
