package scrapes_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/scrapes"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/trace"
)

var began = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

var nan = math.NaN()

// lead returns the ordinary time before a fault: as much as a diagnosis looks at.
func lead(every time.Duration) time.Duration { return max(6*time.Minute, 16*every) }

// world serves a fleet's metrics and traces at a virtual time.
type world struct {
	fleet  *scrapes.Fleet
	mu     sync.Mutex
	now    time.Time
	prom   *httptest.Server
	jaeger *httptest.Server // nil without traces
}

// stop ends the server of traces. The test ends that of metrics.
func (w *world) stop() {
	if w.jaeger != nil {
		w.jaeger.Close()
	}
}

// serve starts the back ends of a fleet. Targets are scraped at random phases.
func serve(t testing.TB, f *scrapes.Fleet, seed uint64, every time.Duration, until time.Time) *world {
	w := &world{fleet: f}
	if every > 0 {
		rng := rand.New(rand.NewPCG(seed, 7))
		byService := map[string]int{}
		var targets []promtest.Target
		for _, s := range f.Counters(until) {
			i, ok := byService[s.Service]
			if !ok {
				i = len(targets)
				byService[s.Service] = i
				targets = append(targets, promtest.Target{Job: s.Service, Instance: s.Service + ":1", Every: every,
					Phase: time.Duration(rng.Float64() * float64(every))})
			}
			targets[i].Counters = append(targets[i].Counters, promtest.Counter{Name: s.Name, Labels: s.Labels, At: s.At})
		}
		if f.NativeOnly {
			operation, native := f.Native(until)
			edge := &targets[byService[f.Service(0)]]
			edge.Counters = append(edge.Counters, promtest.Counter{Name: "hop_duration_seconds", Native: native,
				Labels: map[string]string{"service_name": f.Service(0), "flow": "request", "operation": operation, "entry": operation}})
		}
		w.prom = promtest.Serve(t, f.Began, until, targets...)
	}
	if f.Sampled > 0 {
		w.jaeger = jaegertest.ServeFunc(t, func(from, to time.Time) []trace.Trace {
			w.mu.Lock()
			defer w.mu.Unlock()
			if from.Before(w.now.Add(-time.Hour)) { // services are those of the last minute
				from = w.now.Add(-time.Minute)
			}
			return f.Traces(from, to, w.now)
		})
	}
	return w
}

// ask diagnoses at a time.
func (w *world) ask(t testing.TB, at time.Time) result.Result {
	w.mu.Lock()
	w.now = at
	w.mu.Unlock()
	cfg := collect.Config{Now: at, Timeout: time.Minute}
	if w.prom != nil {
		cfg.Prometheus = w.prom.URL
	}
	if w.jaeger != nil {
		cfg.Jaeger = w.jaeger.URL
	}
	res, err := collect.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// outcome counts the answers about faults.
type outcome struct {
	named    []time.Duration // after the onset; 0 for never
	wrong    int             // spikes with another hop first
	none     int             // verdicts none later than 15 s after the onset
	returned int             // verdicts none after the first spike
	asked    int
}

func (o *outcome) add(p outcome) {
	o.named = append(o.named, p.named...)
	o.wrong, o.none, o.returned, o.asked = o.wrong+p.wrong, o.none+p.none, o.returned+p.returned, o.asked+p.asked
}

// scenario is one row of the measurement.
type scenario struct {
	every   time.Duration // scrape interval
	sampled float64       // share of requests with traces
	growth  float64       // of the entry's mean by the fault; 200 ms if zero
}

// next returns the time of the next question after a fault: every 3 s in the first
// minute, and every 9 s later.
func next(after time.Duration) time.Duration {
	if after < time.Minute {
		return after + 3*time.Second
	}
	return after + 9*time.Second
}

// fault asks after the onset of a fault.
func (c scenario) fault(t testing.TB, seed uint64) outcome {
	f := scrapes.New(seed, began, 20, c.sampled)
	rng := rand.New(rand.NewPCG(seed, 9))
	f.Onset, f.Slow = began.Add(lead(c.every)+time.Duration(rng.Float64()*float64(time.Minute))), 1+rng.IntN(5)
	f.Added = .2
	if c.growth > 0 {
		f.Added = c.growth * f.Mean()
	}
	length := max(4*c.every, time.Minute)
	w := serve(t, f, seed, c.every, f.Onset.Add(length))
	defer w.stop()
	o := outcome{named: []time.Duration{0}}
	for after := next(0); after <= length; after = next(after) {
		res := w.ask(t, f.Onset.Add(after))
		o.asked++
		spike := res.Verdict == result.Spike
		right := spike && res.Findings[0].Hop == f.Service(f.Slow) && res.Findings[0].Kind == result.KindSelf
		switch {
		case right && o.named[0] == 0:
			o.named[0] = after
		case spike && !right:
			o.wrong++
		case res.Verdict == result.None && o.named[0] > 0:
			o.returned++
		}
		if res.Verdict == result.None && after > 15*time.Second {
			o.none++
		}
		if testing.Verbose() {
			first := ""
			if len(res.Findings) > 0 {
				first = res.Findings[0].Hop + " " + res.Findings[0].Kind
			}
			t.Logf("%+v seed %d %3.0f s: %s by %s %s %.0f -> %.0f ms %s, want %s", c, seed, after.Seconds(), res.Verdict, res.DecidedBy, first, res.BaselineMS, res.NowMS, res.Why, f.Service(f.Slow))
		}
	}
	return o
}

// quiet asks during an ordinary time and counts the verdicts.
func (c scenario) quiet(t testing.TB, seed uint64, length, every time.Duration) map[string]int {
	f := scrapes.New(seed, began, 20, c.sampled)
	w := serve(t, f, seed, c.every, began.Add(lead(c.every)+length))
	defer w.stop()
	said := map[string]int{}
	for at := time.Duration(0); at <= length; at += every {
		res := w.ask(t, began.Add(lead(c.every)+at))
		said[res.Verdict]++
		if testing.Verbose() && res.Verdict != result.None {
			t.Logf("%+v seed %d quiet %s: %s by %s %.0f -> %.0f ms %s", c, seed, at, res.Verdict, res.DecidedBy, res.BaselineMS, res.NowMS, res.Why)
		}
	}
	return said
}

// within returns the time by which the hop must be named: 20 s with all traces, three
// scrapes without, and the earlier of three scrapes and 50 s with one in a hundred,
// when about ten traces exist.
func (c scenario) within() time.Duration {
	without := 3 * c.every
	switch c.sampled {
	case 1:
		return min(max(without, 12*time.Second), 20*time.Second)
	case 0:
		return max(without, 12*time.Second)
	}
	return min(max(without, 12*time.Second), 50*time.Second)
}

// A slow hop is named in time, and no verdict says meanwhile that nothing is wrong.
func TestScrapes(t *testing.T) {
	for _, c := range []scenario{
		{every: 5 * time.Second}, {every: 15 * time.Second}, {every: 15 * time.Second, sampled: .01}, {every: 30 * time.Second, sampled: 1},
		{every: 60 * time.Second}, {every: 60 * time.Second, growth: .3},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			o := c.fault(t, 4)
			if o.none+o.returned+o.wrong > 0 {
				t.Errorf("%d verdicts none after 15 s, %d after the spike, %d of another hop", o.none, o.returned, o.wrong)
			}
			if c.growth == 0 && (o.named[0] == 0 || o.named[0] > c.within()) {
				t.Errorf("named after %s, want at most %s", o.named[0], c.within())
			}
		})
	}
	for _, c := range []scenario{{every: 2 * time.Second}, {every: 15 * time.Second, sampled: 1}} {
		t.Run(fmt.Sprintf("quiet %+v", c), func(t *testing.T) {
			said := c.quiet(t, 4, 4*time.Minute, 30*time.Second)
			if said[result.Spike] > 0 || said[result.None] == 0 {
				t.Errorf("verdicts %v, want none", said)
			}
		})
	}
}
