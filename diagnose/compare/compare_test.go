package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// shop makes n traces of front > (cart, pay > bank); change may alter each.
func shop(n int, seed uint64, change func(i int, t *trace.Trace, lines *[]LogLine)) *Profile {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := NewProfile()
	at := time.Unix(1_700_000_000, 0)
	for i := range n {
		at = at.Add(time.Second)
		t := trace.Trace{ID: fmt.Sprint(seed, i)}
		span := func(id, parent, service, op string, start, d float64) {
			d += d * .2 * rng.Float64()
			t.Spans = append(t.Spans, trace.Span{ID: id, Parent: parent, Service: service, Operation: op,
				Start: at.Add(time.Duration(start * 1e6)), Duration: time.Duration(d * 1e6)})
		}
		span("1", "", "front", "checkout", 0, 100)
		span("2", "1", "front", "get cart", 5, 12)
		span("3", "2", "cart", "get", 6, 8)
		span("4", "1", "front", "charge", 30, 50)
		span("5", "4", "pay", "charge", 32, 40)
		span("6", "5", "pay", "authorise", 40, 20)
		span("7", "6", "bank", "authorise", 42, 10)
		lines := []LogLine{
			{Service: "pay", Message: fmt.Sprintf("charging order %d", i), Time: at.Add(33 * time.Millisecond)},
			{Service: "pay", Message: fmt.Sprintf("charged order %d", i), Time: at.Add(70 * time.Millisecond)},
		}
		if change != nil {
			change(i, &t, &lines)
		}
		p.Add(t, lines)
	}
	return p
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name, service string
		kind          Kind
		change        func(i int, t *trace.Trace, lines *[]LogLine)
	}{
		{"an operation takes longer", "cart", Self, func(_ int, t *trace.Trace, _ *[]LogLine) {
			for _, i := range []int{0, 1, 2} {
				t.Spans[i].Duration += 80 * time.Millisecond
			}
		}},
		{"a link takes longer, seen by the caller only", "bank", Link, func(_ int, t *trace.Trace, _ *[]LogLine) {
			for _, i := range []int{0, 3, 4, 5} {
				t.Spans[i].Duration += 80 * time.Millisecond
			}
		}},
		{"an early return: the call behind it is missing", "pay", Flow, func(i int, t *trace.Trace, _ *[]LogLine) {
			if i%2 == 0 {
				t.Spans = t.Spans[:5]
			}
		}},
		{"an exception that only the log shows", "pay", Flow, func(i int, _ *trace.Trace, lines *[]LogLine) {
			if i%2 == 0 {
				(*lines)[1].Message = fmt.Sprintf("NullPointerException at order %d", i)
			}
		}},
		{"a failure that the caller passes on", "pay", Flow, func(i int, t *trace.Trace, _ *[]LogLine) {
			if i%2 == 0 {
				t.Spans = append(t.Spans[:5], trace.Span{ID: "8", Parent: "1", Service: "front", Operation: "show error", Start: t.Spans[0].Start.Add(90 * time.Millisecond)})
			}
		}},
		{"an exception in the caller after a call that was as ever", "front", Flow, func(i int, t *trace.Trace, _ *[]LogLine) {
			if i%2 == 0 {
				t.Spans = append(t.Spans, trace.Span{ID: "8", Parent: "1", Service: "front", Operation: "show error", Start: t.Spans[0].Start.Add(90 * time.Millisecond)})
			}
		}},
		{"a line that no longer follows", "pay", Flow, func(_ int, _ *trace.Trace, lines *[]LogLine) { *lines = (*lines)[:1] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Profiles(shop(60, 1, nil), shop(40, 2, c.change))
			if !got.Sure() || got.Suspects[0].Service != c.service || got.Suspects[0].Kind != c.kind {
				t.Errorf("%+v, want to be sure of %s by its %s first", got, c.service, c.kind)
			}
		})
	}
}

// A change in the mix of requests is not a change of flow.
func TestCompareMixShift(t *testing.T) {
	mix := func(every int) func(int, *trace.Trace, *[]LogLine) {
		return func(i int, t *trace.Trace, lines *[]LogLine) {
			if i%every == 0 {
				t.Spans[0].Operation, t.Spans, *lines = "show cart", t.Spans[:3], nil
			}
		}
	}
	if got := Profiles(shop(200, 1, mix(2)), shop(200, 2, mix(5))); got.Sure() || got.Doubtful() {
		t.Errorf("%+v from a shift of the mix", got)
	}
}

// With few traces, finding no difference is doubtful.
func TestCompareFewTraces(t *testing.T) {
	if got := Profiles(shop(60, 1, nil), shop(5, 2, nil)); got.Sure() || !got.Doubtful() {
		t.Errorf("%+v on five traces, want doubt", got)
	}
	if got := Profiles(shop(60, 1, nil), NewProfile()); !got.Doubtful() || len(got.Suspects) > 0 {
		t.Errorf("%+v on no traces, want doubt", got)
	}
}

// Windows that do not differ are sure at a rate of at most maxP each for durations and
// transitions.
func TestCompareFalseAlarms(t *testing.T) {
	alarms := 0
	for i := range uint64(200) {
		if Profiles(shop(50, 2*i, nil), shop(50, 2*i+1, nil)).Sure() {
			alarms++
		}
	}
	if alarms > 5 { // 2 expected at most; 6 or more have a chance of 2 %
		t.Errorf("%d of 200 comparisons of the same with the same are sure", alarms)
	}
}

func TestTemplate(t *testing.T) {
	same := []string{
		"16:43:10.056 INFO Charge [order: 17][seats: [A1, B2, B3]] TraceID: 9f3a",
		"16:44:11.001 INFO Charge [order: 9][seats: [A7]] TraceID: 17ab0",
	}
	if a, b := template(same[0]), template(same[1]); a != b || a != "logs INFO Charge order seats TraceID" {
		t.Errorf("templates %q and %q, want one", a, b)
	}
	if a, b := template("found contact 7"), template("no contact 7"); a == b {
		t.Errorf("one template %q for lines that differ", a)
	}
}

// Traces with a cycle do not hang or panic.
func TestBrokenTraces(t *testing.T) {
	NewProfile().Add(trace.Trace{Spans: []trace.Span{{ID: "1", Parent: "2", Service: "a"}, {ID: "2", Parent: "1", Service: "a"}}}, nil)
}

// The size of a profile does not grow with the number of traces.
func TestProfileIsBounded(t *testing.T) {
	var one trace.Trace
	shop(1, 1, func(_ int, t *trace.Trace, _ *[]LogLine) { one = *t })
	p := NewProfile()
	for i := range 3 * maxSamples {
		one.Spans[6].Duration = time.Duration(i) * time.Millisecond
		p.Add(one, []LogLine{{Service: "pay", Message: fmt.Sprintf("order %d", i), Time: one.Spans[4].Start}})
	}
	if len(p.transitions) > 40 {
		t.Errorf("%d distinct transitions in equal traces", len(p.transitions))
	}
	for u, s := range p.times {
		if s.flush(); len(s.values) != maxSamples || s.traces != 3*maxSamples {
			t.Errorf("%v: %d values of %d traces, want %d", u, len(s.values), s.traces, maxSamples)
		}
	}
	late := 0
	for _, v := range p.times[unit{service: "bank", operation: "authorise", parent: "authorise"}].values {
		if v >= 2*maxSamples {
			late++
		}
	}
	if share := float64(late) / maxSamples; math.Abs(share-1./3) > .05 {
		t.Errorf("%.0f %% of the sample is from the last third of the traces", 100*share)
	}
}

// Spans per second, from decoded traces to a comparison, and the memory held.
func BenchmarkCompare(b *testing.B) {
	var traces []trace.Trace
	spans := 0
	for seed := range uint64(20) {
		shop(50, seed, func(_ int, t *trace.Trace, _ *[]LogLine) {
			traces = append(traces, *t)
			spans += len(t.Spans)
		})
	}
	for _, passes := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("spans=%d", 2*passes*spans), func(b *testing.B) {
			var base, now *Profile
			for b.Loop() {
				base, now = NewProfile(), NewProfile()
				for range passes {
					for _, t := range traces {
						base.Add(t, nil)
						now.Add(t, nil)
					}
				}
				Profiles(base, now)
			}
			b.ReportMetric(float64(2*passes*spans*b.N)/b.Elapsed().Seconds(), "spans/s")
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MB")
			runtime.KeepAlive(base)
			runtime.KeepAlive(now)
		})
	}
}

// Operations of a service that differ equally must not take turns.
func TestTiesHaveAnOrder(t *testing.T) {
	for range 50 {
		base, now := NewProfile(), NewProfile()
		for i := range 100 {
			at, noise := time.Unix(int64(i), 0), time.Duration(i%7)*time.Millisecond
			add := func(p *Profile, d time.Duration) {
				p.Add(trace.Trace{ID: fmt.Sprint(i), Spans: []trace.Span{
					{ID: "1", Service: "gateway", Operation: "GET /", Start: at, Duration: 2 * d},
					{ID: "2", Parent: "1", Service: "payment", Operation: "Authorize", Start: at, Duration: d},
					{ID: "3", Parent: "1", Service: "payment", Operation: "Charge", Start: at.Add(d), Duration: d},
				}}, nil)
			}
			add(base, 10*time.Millisecond+noise)
			add(now, 90*time.Millisecond+noise)
		}
		s := Profiles(base, now).Suspects
		if len(s) == 0 || s[0].Service != "payment" || s[0].Operation != "Authorize" {
			t.Fatalf("suspects %+v, want payment Authorize first", s)
		}
	}
}
