package causes_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// Times of the synthetic fleet.
const (
	quietSeconds = 100
	faultSeconds = 16
	every        = 2 * time.Second
)

var began = time.Unix(1_700_000_000, 0)

// fleet is a number of services with one to three instances, whose signals have noise.
type fleet struct {
	rng      *rand.Rand
	services []string
	proc     []*proc
}

// proc is an instance: its counters by name, as rates per second, and its gauges.
type proc struct {
	service, name string
	counters      map[string][]float64
	labels        map[string]map[string]string // of a counter
	gauges        map[string][]float64
	silent        map[int]bool // seconds in which it answers no scrape
}

// base is the rate per second of each counter of a quiet process.
var base = map[string]float64{
	"process_cpu_seconds_total": .1, "hop_process_stall_seconds_total": .001, "hop_process_stalls_total": .03,
	"hop_process_run_delay_seconds_total": .03, "go_cpu_classes_gc_total_cpu_seconds_total": .004,
	"go_cpu_classes_gc_mark_idle_cpu_seconds_total": .001, "go_cpu_classes_gc_mark_assist_cpu_seconds_total": .0003,
	"go_gc_duration_seconds_sum": .0002, "go_gc_duration_seconds_count": .5, "go_sync_mutex_wait_total_seconds_total": .002,
	"go_schedule_duration_seconds_sum": .01, "process_paging_faults_total": .1,
}

const seconds = quietSeconds + faultSeconds

func newFleet(seed uint64) *fleet {
	f := &fleet{rng: rand.New(rand.NewPCG(seed, 7))}
	for range 5 + f.rng.IntN(3) {
		f.services = append(f.services, fmt.Sprintf("%c%05x", 'a'+f.rng.IntN(26), f.rng.IntN(1<<20)))
		for i := range 1 + f.rng.IntN(3) {
			f.add(f.services[len(f.services)-1], i)
		}
	}
	return f
}

func (f *fleet) add(service string, i int) {
	p := &proc{service: service, name: fmt.Sprintf("%s-%d:9000", service, i), counters: map[string][]float64{}, gauges: map[string][]float64{},
		labels: map[string]map[string]string{"process_paging_faults_total": {"system_paging_fault_type": "major"}}, silent: map[int]bool{}}
	size := math.Exp(f.rng.NormFloat64() * .5) // services differ
	for name, rate := range base {
		p.counters[name] = f.noisy(rate*size, .3)
	}
	p.gauges["scrape_duration_seconds"] = f.noisy(.006*size, .3)
	p.gauges["up"] = constant(1)
	p.gauges["process_start_time_seconds"] = constant(float64(began.Unix()) - 1000*f.rng.Float64())
	f.proc = append(f.proc, p)
}

// noisy returns a value per second with lognormal noise.
func (f *fleet) noisy(mean, sigma float64) []float64 {
	out := make([]float64, seconds)
	for i := range out {
		out[i] = mean * math.Exp(f.rng.NormFloat64()*sigma)
	}
	return out
}

func constant(v float64) []float64 {
	out := make([]float64, seconds)
	for i := range out {
		out[i] = v
	}
	return out
}

// of returns the instances of a service.
func (f *fleet) of(service string) (out []*proc) {
	for _, p := range f.proc {
		if p.service == service {
			out = append(out, p)
		}
	}
	return out
}

// raise adds to the rate of a counter from the onset on.
func (p *proc) raise(name string, by float64) {
	if p.counters[name] == nil {
		p.counters[name] = constant(0)
	}
	for i := quietSeconds; i < seconds; i++ {
		p.counters[name][i] += by
	}
}

func (p *proc) raiseGauge(name string, by float64) {
	for i := quietSeconds; i < seconds; i++ {
		p.gauges[name][i] += by
	}
}

// restart starts the process anew at a second.
func (p *proc) restart(at int) {
	for i := at; i < seconds; i++ {
		p.gauges["process_start_time_seconds"][i] = float64(began.Unix() + int64(at))
	}
	p.silent[at] = true
}

// targets returns the fleet as scrape targets.
func (f *fleet) targets() []promtest.Target {
	var out []promtest.Target
	for k, p := range f.proc {
		t := promtest.Target{Job: "shop", Instance: p.name, Every: every, Phase: time.Duration(k%4) * 300 * time.Millisecond}
		second := func(at time.Time) float64 { return at.Sub(began).Seconds() }
		for name, rate := range p.counters {
			sums := make([]float64, len(rate)+1)
			for i, v := range rate {
				sums[i+1] = sums[i] + v
			}
			labels := map[string]string{"service_name": p.service}
			for k, v := range p.labels[name] {
				labels[k] = v
			}
			t.Counters = append(t.Counters, promtest.Counter{Name: name, Labels: labels, At: func(at time.Time) float64 {
				s := second(at)
				i := min(int(s), len(rate)-1)
				if p.silent[i] {
					return math.NaN()
				}
				return sums[i] + (s-float64(i))*rate[i]
			}})
		}
		for name, values := range p.gauges {
			labels := map[string]string{"service_name": p.service}
			if name == "up" || name == "scrape_duration_seconds" {
				labels = map[string]string{}
			}
			t.Counters = append(t.Counters, promtest.Counter{Name: name, Labels: labels, At: func(at time.Time) float64 {
				i := min(int(second(at)), len(values)-1)
				if p.silent[i] && len(labels) > 0 {
					return math.NaN()
				}
				return values[i]
			}})
		}
		out = append(out, t)
	}
	return out
}

// Rates of the entry.
const perSecond = 20.0

// found returns a result with one finding, which added time per request of the entry, in
// seconds.
func found(kind, hop, target string, before, added float64) *result.Result {
	onset := began.Add(quietSeconds * time.Second)
	end := began.Add(seconds * time.Second)
	return &result.Result{Verdict: result.Spike, AddedMS: 1000 * added, NowMS: 1000 * (added + before + .02), BaselineMS: 1000 * (before + .02), ResolutionS: 2,
		Window: result.Range{From: onset, To: end.Add(-2 * time.Second)}, Baseline: result.Range{From: began, To: onset},
		Requests: result.Requests{Baseline: quietSeconds * perSecond, Now: int((faultSeconds - 2) * perSecond)},
		Findings: []result.Finding{{Hop: hop, Target: target, Kind: kind, BaselineMS: 1000 * before, NowMS: 1000 * (before + added), AddedMS: 1000 * added, Share: 1}}}
}
