package causes_test

//go:generate go test -count=1 -run TestCauses . -update

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/causes"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/docpage"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

var update = flag.Bool("update", false, "write the table of answers in docs/diagnosis.md again")

// explain adds causes to a result from the signals of a fleet.
func explain(t *testing.T, f *fleet, r *result.Result) result.Finding {
	t.Helper()
	end := began.Add(seconds * time.Second)
	srv := promtest.Serve(t, began, end, f.targets()...)
	c, err := prometheus.New(srv.URL, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := causes.Explain(t.Context(), c, causes.Question{Result: r, Now: end}); err != nil || n == 0 {
		t.Fatalf("%d series, %v", n, err)
	}
	return r.Findings[0]
}

// causeFrom returns the cause of the first finding of a result that the metrics of targets
// tell.
func causeFrom(t *testing.T, r *result.Result, m evidence.Metrics, targets ...promtest.Target) *result.Cause {
	t.Helper()
	end := began.Add(seconds * time.Second)
	srv := promtest.Serve(t, began, end, targets...)
	client, err := prometheus.New(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := causes.Explain(t.Context(), client, causes.Question{Result: r, Metrics: m, Now: end}); err != nil {
		t.Error(err)
	}
	return r.Findings[0].Cause
}

// fault moves the signals of instances as a cause does. added is the time that a request of
// the service gains on average.
type fault struct {
	kind    string
	sure    bool
	finding string // kind of finding
	single  bool   // one instance of several
	apply   func(f *fleet, of []*proc, added float64)
}

// faults holds the causes that signals of a process tell. The amounts follow from the added
// time: n instances share the requests.
func faults() map[string]fault {
	each := func(do func(p *proc, waited float64)) func(*fleet, []*proc, float64) {
		return func(_ *fleet, of []*proc, added float64) {
			for _, p := range of {
				do(p, added*perSecond/float64(len(of))) // seconds of added time per second
			}
		}
	}
	return map[string]fault{
		"cpu burn": {result.CauseCPU, true, result.KindSelf, false, each(func(p *proc, s float64) {
			p.raise("process_cpu_seconds_total", s)
			p.raise("go_schedule_duration_seconds_sum", .1*s)
		})},
		"no processor": {result.CauseCPU, true, result.KindSelf, false, each(func(p *proc, s float64) {
			p.raise("hop_process_run_delay_seconds_total", .9*s)
			p.raise("hop_process_stall_seconds_total", .1)
			p.raise("hop_process_stalls_total", 2)
		})},
		"quota": {result.CauseThrottled, true, result.KindSelf, true, each(func(p *proc, s float64) {
			p.raise("hop_cgroup_cpu_throttled_seconds_total", .8)
			p.raise("hop_cgroup_cpu_throttled_periods_total", 9)
			p.raise("hop_process_run_delay_seconds_total", s)
			p.raise("hop_process_stall_seconds_total", .6)
			p.raise("hop_process_stalls_total", 9)
			p.raise("go_sync_mutex_wait_total_seconds_total", .3*s)
			p.raiseGauge("scrape_duration_seconds", .2)
		})},
		"garbage collection": {result.CauseGC, true, result.KindSelf, false, each(func(p *proc, s float64) {
			p.raise("process_cpu_seconds_total", 1.2)
			p.raise("go_cpu_classes_gc_total_cpu_seconds_total", .9)
			p.raise("go_cpu_classes_gc_mark_assist_cpu_seconds_total", .2*s)
			p.raise("go_gc_duration_seconds_sum", .05)
			p.raise("go_gc_duration_seconds_count", 60)
			p.raise("go_schedule_duration_seconds_sum", .8*s)
			p.raiseGauge("scrape_duration_seconds", .01)
		})},
		"mutex": {result.CauseLock, true, result.KindSelf, false, each(func(p *proc, s float64) {
			p.raise("go_sync_mutex_wait_total_seconds_total", .9*s)
		})},
		"stopped at times": {result.CauseFrozen, true, result.KindLink, true, each(func(p *proc, _ float64) {
			p.raise("hop_process_stall_seconds_total", .35)
			p.raise("hop_process_stalls_total", 1.2)
			p.raiseGauge("scrape_duration_seconds", .06)
		})},
		"killed again and again": {result.CauseRestart, true, result.KindErrors, true, func(_ *fleet, of []*proc, _ float64) {
			for _, p := range of {
				p.restart(quietSeconds)
				p.restart(quietSeconds + 8)
			}
		}},
		"killed for memory": {result.CauseMemory, true, result.KindErrors, true, func(_ *fleet, of []*proc, _ float64) {
			for _, p := range of {
				p.restart(quietSeconds)
				p.counters["hop_cgroup_memory_events_total"] = constant(0)
				p.counters["hop_cgroup_memory_events_total"][quietSeconds] = 1
				p.labels["hop_cgroup_memory_events_total"] = map[string]string{"event": "oom_kill"}
			}
		}},
		"thrashing": {result.CauseMemory, true, result.KindSelf, false, func(_ *fleet, of []*proc, _ float64) {
			for _, p := range of {
				p.raise("hop_cgroup_pressure_seconds_total", .6)
				p.labels["hop_cgroup_pressure_seconds_total"] = map[string]string{"resource": "memory"}
				p.raise("process_paging_faults_total", 900)
			}
		}},
		"exhausted pool": {result.CausePool, true, result.KindDependency, false, each(func(p *proc, s float64) {
			p.raise("db_client_connection_wait_time_seconds_sum", .95*s)
		})},
		"requests that hang": {result.CauseFrozen, false, result.KindSelf, false, func(_ *fleet, of []*proc, _ float64) {
			for _, p := range of {
				p.gauges["hop_oldest_request_age_seconds"] = constant(.02)
				for i := quietSeconds + 1; i < seconds; i++ {
					p.gauges["hop_oldest_request_age_seconds"][i] = float64(min(i-quietSeconds, 10))
				}
			}
		}},
		"quota, no scrape is answered": {result.CauseThrottled, true, result.KindSelf, true, func(_ *fleet, of []*proc, _ float64) {
			for _, p := range of {
				p.counters["hop_cgroup_cpu_throttled_seconds_total"] = constant(0)
				for i := quietSeconds; i < seconds; i++ {
					p.counters["hop_cgroup_cpu_throttled_seconds_total"][i] = .9
					if i > quietSeconds+4 {
						p.silent[i], p.gauges["up"][i], p.gauges["scrape_duration_seconds"][i] = true, 0, 2
					}
				}
			}
		}},
		"a sleep": {result.CauseUnknown, false, result.KindSelf, false, each(func(*proc, float64) {})},
	}
}

// TestCauses injects each cause at hops and in amounts drawn from seeds, beside decoys:
// signals of another service move too, another service is deployed, innocent targets answer
// scrapes late and wait for a processor under load, and traffic varies. The table of what
// is answered is that of docs/diagnosis.md; -update writes it.
func TestCauses(t *testing.T) {
	const rounds = 3
	all := faults()
	confusion := map[string]map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		x := all[name]
		confusion[name] = map[string]int{}
		for seed := range uint64(rounds) {
			f := newFleet(100*seed + uint64(len(name)))
			hop := f.services[f.rng.IntN(len(f.services))]
			for x.single && len(f.of(hop)) < 2 {
				f.add(hop, len(f.of(hop)))
			}
			added := .04 + .3*f.rng.Float64()
			of := f.of(hop)
			carrier := ""
			if x.single {
				of = of[f.rng.IntN(len(of)):][:1]
				carrier = of[0].name
				added /= float64(len(f.of(hop)))
			}
			if x.kind == result.CauseFrozen { // .35 of the time, .29 s each
				added = .35 * .29 / 2 / float64(len(f.of(hop)))
			}
			x.apply(f, of, added)
			f.decoys(hop)
			target := ""
			if x.finding != result.KindSelf && x.finding != result.KindErrors {
				target = f.services[len(f.services)-1]
				if target == hop {
					target = f.services[len(f.services)-2]
				}
			}
			got := explain(t, f, found(x.finding, hop, target, .01, added))
			confusion[name][got.Cause.Kind]++
			if got.Cause.Kind != x.kind || got.Cause.Sure != x.sure || got.Instance != carrier {
				t.Errorf("%s, seed %d, +%.0f ms, %d instances: %s at %q, want %s at %q", name, seed, 1000*added, len(f.of(hop)), show(got.Cause), got.Instance, x.kind, carrier)
			}
		}
	}
	table := strings.Builder{}
	table.WriteString("| signals move as with | answered |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(confusion)) {
		var cells []string
		for _, kind := range slices.Sorted(maps.Keys(confusion[name])) {
			cells = append(cells, fmt.Sprintf("`%s` %d of %d", kind, confusion[name][kind], rounds))
		}
		fmt.Fprintf(&table, "| %s | %s |\n", name, strings.Join(cells, ", "))
	}
	t.Log("\n" + table.String())
	docpage.Compare(t, "../../docs/diagnosis.md", "confusion", table.String(), *update, "go generate ./diagnose/causes")
}

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

// decoys moves signals of services other than the hop.
func (f *fleet) decoys(hop string) {
	other := f.services[0]
	if other == hop {
		other = f.services[1]
	}
	for _, p := range f.of(other) {
		p.raise("process_cpu_seconds_total", .8)
		p.raise("go_sync_mutex_wait_total_seconds_total", .5)
		p.restart(quietSeconds + 1)
	}
	for _, p := range f.proc {
		if p.service != hop { // measured at innocent targets under load
			p.raiseGauge("scrape_duration_seconds", 7.2*p.gauges["scrape_duration_seconds"][0])
			p.raise("hop_process_run_delay_seconds_total", .07)
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

func show(c *result.Cause) string {
	if c == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s (sure %v, %s, %+v)", c.Kind, c.Sure, c.Why, c.Evidence)
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

// TestMemoryBefore takes a restart at the memory limit for a kill, also if nothing counts
// kills.
func TestMemoryBefore(t *testing.T) {
	for _, c := range []struct {
		used, failures float64
		kind           string
		sure           bool
	}{{.97, 3, result.CauseMemory, true}, {.97, 0, result.CauseMemory, false}, {.5, 3, result.CauseRestart, true}} {
		f := newFleet(61)
		hop := f.services[2]
		p := f.of(hop)[0]
		p.gauges["hop_cgroup_memory_limit_bytes"] = constant(1e9)
		p.gauges["hop_cgroup_memory_usage_bytes"] = constant(4e8)
		p.counters["hop_cgroup_memory_events_total"] = constant(0)
		p.labels["hop_cgroup_memory_events_total"] = map[string]string{"event": "max"}
		for i := quietSeconds - 6; i < quietSeconds; i++ {
			p.gauges["hop_cgroup_memory_usage_bytes"][i] = c.used * 1e9
			p.counters["hop_cgroup_memory_events_total"][i] = c.failures
		}
		p.restart(quietSeconds)
		if got := explain(t, f, found(result.KindErrors, hop, "", 0, 0)); got.Cause.Kind != c.kind || got.Cause.Sure != c.sure {
			t.Errorf("%+v: %s", c, show(got.Cause))
		}
	}
}

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
// of one of them, as it did before now and then, explains none of the others.
func TestLinksTogether(t *testing.T) {
	for _, either := range []bool{false, true} {
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
		r.Findings[0].EitherEnd = either
		if got := explain(t, f, r); (got.Cause.Kind == result.CauseLink) == either || got.Cause.Sure || got.Hop != hop {
			t.Errorf("either end %v: %+v, %s", either, got, show(got.Cause))
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

// TestDeploy takes the restart of a deploy for what it is.
func TestDeploy(t *testing.T) {
	f := newFleet(42)
	hop := f.services[1]
	for _, p := range f.of(hop) {
		p.restart(quietSeconds)
	}
	r := found(result.KindSelf, hop, "", .01, .1)
	r.Deploys = []result.Deploy{{Service: hop, Version: "2", Before: "1", Seen: r.Window.From}}
	if got := explain(t, f, r); got.Cause.Kind != result.CauseCode || got.Cause.Sure {
		t.Errorf("%s, want code", show(got.Cause))
	}
}
