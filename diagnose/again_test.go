package diagnose_test

import (
	"math"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Half of the requests are slow at one service for a while and, after a pause, at another or
// at the same. The answer is about those of now, and it says so if they are too few.
func TestSlowAgain(t *testing.T) {
	const step, before, first, rate = 2 * time.Second, 90, 6, 12
	start := time.Unix(1_700_000_000, 0)
	for _, c := range []struct {
		why           string
		pause, second int // steps
		other         bool
		verdict, hop  string
	}{
		{"the other service, three steps", 13, 3, true, result.Spike, "stock"},
		{"the other service, eight steps", 20, 8, true, result.Spike, "stock"},
		{"the same service", 13, 3, false, result.Spike, "users"},
		{"a short pause", 5, 3, false, result.Spike, "users"},
	} {
		n := before + first + c.pause + c.second
		m := evidence.Metrics{Start: start, Step: step, Steps: n, Newest: start.Add(time.Duration(n) * step)}
		zero := func() []float64 { return make([]float64, n) }
		b := &evidence.Buckets{Bounds: []float64{.1, math.Inf(1)}, Counts: [][]float64{zero(), zero()}}
		count, took := zero(), zero()
		self := map[string][]float64{"users": zero(), "stock": zero()}
		for i := range n {
			count[i], b.Counts[0][i], b.Counts[1][i] = rate, rate, rate
			for _, s := range self {
				s[i] = rate * .01 * (1 + .05*float64(i%3))
			}
			slow := ""
			switch {
			case i >= before && i < before+first:
				slow = "users"
			case i >= before+first+c.pause && c.other:
				slow = "stock"
			case i >= before+first+c.pause:
				slow = "users"
			}
			if slow != "" {
				b.Counts[0][i] = rate / 2
				self[slow][i] += rate / 2 * .5
			}
			took[i] = self["users"][i] + self["stock"][i] + rate*.01
		}
		m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "edge", Operation: "GET /"}, Sum: took, Count: count, Buckets: b}}
		m.Hops = []evidence.HopSeries{{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Self: zero(), Duration: took, Count: count}}
		for s, v := range self {
			m.Hops = append(m.Hops, evidence.HopSeries{Service: s, Operation: "GET /" + s, Entry: "GET /", Flow: "request", Self: v, Duration: v, Count: count})
		}
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result()
		if r.Verdict != c.verdict || len(r.Findings) == 0 || r.Findings[0].Hop != c.hop {
			t.Errorf("%s: %s (%s) %+v; want %s at %s", c.why, r.Verdict, r.Why, r.Findings, c.verdict, c.hop)
		}
		// The hops' own times of the last step are not known yet: the first phase is not what is
		// said of now.
		late := before + first + c.pause
		cut := func(v *[]float64) { *v = (*v)[:late+1] }
		for i := range m.Entries {
			cut(&m.Entries[i].Sum)
			cut(&m.Entries[i].Count)
		}
		for i := range b.Counts {
			cut(&b.Counts[i])
		}
		m.Steps, m.Newest = late, start.Add(time.Duration(late)*step)
		r = diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result()
		if c.other && r.Verdict == result.Spike {
			t.Errorf("%s, one step: %s (%s) %+v", c.why, r.Verdict, r.Why, r.Findings)
		}
	}
}

// Half of the requests were slow at one service for a while. Since then a few requests are a
// little slower, each elsewhere: the time of before is not what is said of now.
func TestSlowElsewhereWithoutPause(t *testing.T) {
	const step, before, first, rate = 2 * time.Second, 90, 6, 12
	start := time.Unix(1_700_000_000, 0)
	services := []string{"users", "stock", "mail"}
	for _, since := range []int{0, 5, 20, 40, 60} { // steps
		n := before + first + since
		m := evidence.Metrics{Start: start, Step: step, Steps: n, Newest: start.Add(time.Duration(n) * step)}
		zero := func() []float64 { return make([]float64, n) }
		b := &evidence.Buckets{Bounds: []float64{.075, .25, math.Inf(1)}, Counts: [][]float64{zero(), zero(), zero()}}
		count, took := zero(), zero()
		self := map[string][]float64{}
		for _, s := range services {
			self[s] = zero()
		}
		for i := range n {
			count[i], b.Counts[0][i], b.Counts[1][i], b.Counts[2][i] = rate, rate, rate, rate
			took[i] = rate * .01
			for _, s := range services {
				self[s][i] = rate * .01 * (1 + .05*float64(i%3))
			}
			switch {
			case i >= before+first:
				b.Counts[0][i] -= 2
				self[services[i%3]][i] += 2 * .08
			case i >= before:
				b.Counts[0][i], b.Counts[1][i] = rate/2, rate/2
				self["users"][i] += rate / 2 * .9
			}
			for _, s := range services {
				took[i] += self[s][i]
			}
		}
		m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "edge", Operation: "GET /"}, Sum: took, Count: count, Buckets: b}}
		m.Hops = []evidence.HopSeries{{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Self: zero(), Duration: took, Count: count}}
		for s, v := range self {
			m.Hops = append(m.Hops, evidence.HopSeries{Service: s, Operation: "GET /" + s, Entry: "GET /", Flow: "request", Self: v, Duration: v, Count: count})
		}
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result()
		named := r.Verdict == result.Spike && r.Findings[0].Hop == "users"
		if at := time.Duration(since) * step; since == 0 && !named || at > recently && named && r.Findings[0].Share > .5 {
			t.Errorf("%s after its end: %s (%s) %v %+v", at, r.Verdict, r.Why, r.Window, r.Findings)
		}
	}
}

// Some requests were slow for a moment, each elsewhere, and many are since the last step, whose
// hops are not known yet: the moment before names nobody.
func TestFaintPhaseBefore(t *testing.T) {
	const step, before, pause, rate = 2 * time.Second, 90, 3, 12
	start := time.Unix(1_700_000_000, 0)
	services := []string{"users", "stock", "mail"}
	const n = before + 2 + pause
	m := evidence.Metrics{Start: start, Step: step, Steps: n, Newest: start.Add(n * step)}
	zero := func() []float64 { return make([]float64, n+1) } // the entry is known for a step more
	b := &evidence.Buckets{Bounds: []float64{.1, math.Inf(1)}, Counts: [][]float64{zero(), zero()}}
	count, took := zero(), zero()
	self := map[string][]float64{}
	for _, s := range services {
		self[s] = make([]float64, n)
	}
	for i := range n + 1 {
		count[i], b.Counts[0][i], b.Counts[1][i] = rate, rate, rate
		took[i] = rate * .04
		if i == n {
			b.Counts[0][i] = 0
			took[i] += rate * .4
			continue
		}
		for _, s := range services {
			self[s][i] = rate * .01 * (1 + .05*float64(i%3))
		}
		if i >= before && i < before+2 {
			b.Counts[0][i] = rate - 6
			for _, s := range services {
				self[s][i] += 2 * .1
				took[i] += 2 * .1
			}
		}
	}
	m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "edge", Operation: "GET /"}, Sum: took, Count: count, Buckets: b}}
	m.Hops = []evidence.HopSeries{{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Self: make([]float64, n), Duration: took[:n], Count: count[:n]}}
	for s, v := range self {
		m.Hops = append(m.Hops, evidence.HopSeries{Service: s, Operation: "GET /" + s, Entry: "GET /", Flow: "request", Self: v, Duration: v, Count: count[:n]})
	}
	if r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result(); r.Verdict == result.Spike {
		t.Errorf("%s (%s) %v %+v", r.Verdict, r.Why, r.Window, r.Findings)
	}
}

// Requests were slow in two phases, which ended a minute and a half ago. All are a little slow now, at
// another service.
func TestSlowLongAgo(t *testing.T) {
	const step, before, phase, between, pause, second, rate = 2 * time.Second, 60, 6, 20, 45, 5, 12
	start := time.Unix(1_700_000_000, 0)
	for now := 1; now <= second; now++ {
		n := before + 2*phase + between + pause + now
		m := evidence.Metrics{Start: start, Step: step, Steps: n, Newest: start.Add(time.Duration(n) * step)}
		zero := func() []float64 { return make([]float64, m.Steps) }
		b := &evidence.Buckets{Bounds: []float64{.1, .5, math.Inf(1)}, Counts: [][]float64{zero(), zero(), zero()}}
		count, took := zero(), zero()
		self := map[string][]float64{"users": zero(), "mail": zero(), "stock": zero()}
		for i := range m.Steps {
			count[i], b.Counts[0][i], b.Counts[1][i], b.Counts[2][i] = rate, rate, rate, rate
			for _, s := range self {
				s[i] = rate * .01 * (1 + .05*float64(i%3))
			}
			at := i - before
			switch {
			case at >= 0 && at < phase:
				b.Counts[0][i], b.Counts[1][i] = rate/4, rate/4
				self["users"][i] += rate * 3 / 4 * .52
			case at >= phase+between && at < 2*phase+between:
				b.Counts[0][i], b.Counts[1][i] = rate/4, rate/4
				self["mail"][i] += rate * 3 / 4 * .52
			case at >= 2*phase+between+pause:
				self["stock"][i] += rate * .06
			}
			took[i] = self["users"][i] + self["mail"][i] + self["stock"][i] + rate*.01
		}
		m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "edge", Operation: "GET /"}, Sum: took, Count: count, Buckets: b}}
		m.Hops = []evidence.HopSeries{{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Self: zero(), Duration: took, Count: count}}
		for s, v := range self {
			m.Hops = append(m.Hops, evidence.HopSeries{Service: s, Operation: "GET /" + s, Entry: "GET /", Flow: "request", Self: v, Duration: v, Count: count})
		}
		r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result()
		if r.Verdict == result.Spike && r.Findings[0].Hop != "stock" || now >= 3 && r.Verdict != result.Spike {
			t.Errorf("%d slow steps: %s (%s) %v %+v", now, r.Verdict, r.Why, r.Window, r.Findings)
		}
	}
}

// recently is the time after which an incident is not what is said of now.
const recently = 30 * time.Second

// A stray slow request after an incident that is over is no incident.
func TestStrayAfterIncident(t *testing.T) {
	const step, before, first, pause, rate = 2 * time.Second, 90, 6, 13, 12
	start := time.Unix(1_700_000_000, 0)
	n := before + first + pause + 1
	m := evidence.Metrics{Start: start, Step: step, Steps: n, Newest: start.Add(time.Duration(n) * step)}
	zero := func() []float64 { return make([]float64, n) }
	b := &evidence.Buckets{Bounds: []float64{.1, math.Inf(1)}, Counts: [][]float64{zero(), zero()}}
	count, took, users, stock := zero(), zero(), zero(), zero()
	for i := range n {
		count[i], b.Counts[0][i], b.Counts[1][i] = rate, rate, rate
		users[i], stock[i] = rate*.01, rate*.01
		switch {
		case i >= before && i < before+first:
			b.Counts[0][i] = rate / 2
			users[i] += rate / 2 * .5
		case i == n-1:
			b.Counts[0][i]--
			stock[i] += .12
		}
		took[i] = users[i] + stock[i] + rate*.01
	}
	m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "edge", Operation: "GET /"}, Sum: took, Count: count, Buckets: b}}
	m.Hops = []evidence.HopSeries{{Service: "edge", Operation: "GET /", Entry: "GET /", Flow: "request", Self: zero(), Duration: took, Count: count},
		{Service: "users", Operation: "GET /users", Entry: "GET /", Flow: "request", Self: users, Duration: users, Count: count},
		{Service: "stock", Operation: "GET /stock", Entry: "GET /", Flow: "request", Self: stock, Duration: stock, Count: count}}
	if r := diagnose.Diagnose(diagnose.Evidence{Metrics: m, Now: m.Newest}, diagnose.Options{}).Result(); r.Verdict == result.Spike {
		t.Errorf("%s (%s) %+v", r.Verdict, r.Why, r.Findings)
	}
}
