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
		"stopped at times, collecting meanwhile": {result.CauseFrozen, true, result.KindLink, false, each(func(p *proc, _ float64) {
			p.raise("hop_process_stall_seconds_total", .35)
			p.raise("hop_process_stalls_total", 1.2)
			p.raise("go_cpu_classes_gc_total_cpu_seconds_total", .04)
			p.raise("go_gc_duration_seconds_sum", .3) // a pause lasts until the process runs again
			p.raise("go_gc_duration_seconds_count", 1)
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

func show(c *result.Cause) string {
	if c == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s (sure %v, %s, %+v)", c.Kind, c.Sure, c.Why, c.Evidence)
}
