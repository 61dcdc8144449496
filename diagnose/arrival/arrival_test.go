package arrival_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/arrival"
	"github.com/tenhop/tenhop/trace"
)

var began = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// request returns a trace of four services: edge calls middle, middle calls leaf, and
// every second request calls side.
func request(i int) trace.Trace {
	at := began.Add(time.Duration(i) * time.Second)
	span := func(id, parent, service string, kind trace.Kind, from, to int) trace.Span {
		return trace.Span{ID: id, Parent: parent, Service: service, Operation: service + " " + string(kind), Kind: kind,
			Start: at.Add(time.Duration(from) * time.Millisecond), Duration: time.Duration(to-from) * time.Millisecond}
	}
	t := trace.Trace{ID: fmt.Sprint(i), Spans: []trace.Span{
		span("1", "", "edge", trace.Server, 0, 100), span("2", "1", "edge", trace.Client, 10, 90),
		span("3", "2", "middle", trace.Server, 12, 88), span("4", "3", "middle", trace.Client, 20, 60), span("5", "4", "leaf", trace.Server, 22, 58),
	}}
	if i%2 == 0 {
		t.Spans = append(t.Spans, span("6", "3", "middle", trace.Internal, 61, 80), span("7", "6", "side", trace.Internal, 62, 79))
	}
	return t
}

// without removes the spans of a service.
func without(t trace.Trace, service string) trace.Trace {
	t.Spans = slices.DeleteFunc(slices.Clone(t.Spans), func(s trace.Span) bool { return s.Service == service })
	return t
}

func TestFilter(t *testing.T) {
	const n = 60
	late := func(service string, seconds int) func(int) trace.Trace {
		return func(i int) trace.Trace {
			if i >= n-seconds {
				return without(request(i), service)
			}
			return request(i)
		}
	}
	for _, c := range []struct {
		name, why  string
		make       func(int) trace.Trace
		incomplete int
	}{
		{"all there", "", request, 0},
		{"a caller is late", "spans of its callee have no parent", late("middle", 12), 12},
		{"a callee is late", "its calls have no callee, unlike those before", late("leaf", 9), 9},
		{"the edge is late", "its callee looks like the root of the trace", late("edge", 8), 8},
		{"a service is late whose caller has no span for the call", "only its absence tells, and every second request may have had it", late("side", 12), 13},
		{"a seldom service is silent for a moment", "two requests without it are chance", late("side", 4), 0},
		{"most spans of a service are lost", "its absence is ordinary", func(i int) trace.Trace {
			if i%2 == 0 {
				return without(request(i), "middle")
			}
			return request(i)
		}, 0},
		{"a service never sends spans", "", func(i int) trace.Trace { return without(request(i), "middle") }, 0},
		{"a batch was lost in the middle", "the traces of it are rare", func(i int) trace.Trace {
			if i >= 30 && i < 33 {
				return without(request(i), "middle")
			}
			return request(i)
		}, 3},
		{"calls fail without their callee", "nothing is missing", func(i int) trace.Trace {
			if i < n-10 {
				return request(i)
			}
			r := without(request(i), "leaf")
			for j := range r.Spans {
				r.Spans[j].Failed = true
			}
			return r
		}, 0},
		{"answers without the callee from the second third on", "that is a change of the program and not a late exporter", func(i int) trace.Trace {
			if i >= 15 {
				return without(request(i), "leaf")
			}
			return request(i)
		}, 0},
		{"a clock is a year ahead", "it does not make all others old", func(i int) trace.Trace {
			r := late("middle", 12)(i)
			if i == 3 {
				for j := range r.Spans {
					r.Spans[j].Start = r.Spans[j].Start.AddDate(1, 0, 0)
				}
			}
			return r
		}, 12},
	} {
		for _, order := range []string{"oldest first", "newest first"} {
			t.Run(c.name+"/"+order, func(t *testing.T) {
				passed := 0
				f := arrival.New(nil, began.Add(time.Hour), func(trace.Trace) { passed++ })
				for i := range n {
					if order == "newest first" {
						i = n - 1 - i
					}
					f.Add(c.make(i))
				}
				f.Flush()
				if f.Incomplete() != c.incomplete || passed != n-c.incomplete {
					t.Errorf("%d left out and %d passed of %d, want %d left out: %s", f.Incomplete(), passed, n, c.incomplete, c.why)
				}
			})
		}
	}
}

// A window in which a service is late from the beginning is judged by the ordinary
// one.
func TestShortWindow(t *testing.T) {
	before := arrival.New(nil, began.Add(time.Hour), func(trace.Trace) {})
	for i := range 40 {
		before.Add(request(i))
	}
	before.Flush()
	passed := 0
	now := arrival.New(before, began.Add(time.Hour), func(trace.Trace) { passed++ })
	for i := range 10 {
		tr := request(100 + i)
		if i >= 2 {
			tr = without(tr, "middle")
		}
		now.Add(tr)
	}
	now.Flush()
	if passed != 2 || now.Incomplete() != 8 {
		t.Errorf("%d passed, %d left out; want 2 and 8", passed, now.Incomplete())
	}
}

// The memory of a long stream is bounded, and only its newest traces are held back.
func TestLongStream(t *testing.T) {
	passed := 0
	f := arrival.New(nil, began.Add(1000*time.Hour), func(trace.Trace) { passed++ })
	const n = 300_000
	for i := range n {
		tr := request(i)
		if i >= n-10 {
			tr = without(tr, "middle")
		}
		for j := range tr.Spans { // 1000 per second: the newest minute is more than is held
			tr.Spans[j].Start = tr.Spans[j].Start.Add(-time.Duration(i) * 999 * time.Millisecond)
		}
		f.Add(tr)
		if i-passed > 60_000 {
			t.Fatalf("%d traces are held", i-passed)
		}
	}
	f.Flush()
	if f.Incomplete() != 10 || passed != n-10 {
		t.Errorf("%d left out, %d passed", f.Incomplete(), passed)
	}
}

// Traces are undatable if spans are missing and clocks differ; either alone is repaired, and a
// service that never sends spans loses nothing.
func TestUndatable(t *testing.T) {
	const n = 120
	lost := func(i int) trace.Trace {
		x := request(i)
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		x.Spans = slices.DeleteFunc(x.Spans, func(s trace.Span) bool { return rng.Float64() < .3 })
		return x
	}
	skewed := func(x trace.Trace) trace.Trace {
		for i := range x.Spans {
			if s := &x.Spans[i]; s.Service == "middle" {
				s.Start = s.Start.Add(300 * time.Millisecond)
			}
		}
		return x
	}
	for _, c := range []struct {
		why       string
		make      func(int) trace.Trace
		undatable bool
	}{
		{"all there", request, false},
		{"spans are lost", lost, false},
		{"clocks differ", func(i int) trace.Trace { return skewed(request(i)) }, false},
		{"both", func(i int) trace.Trace { return skewed(lost(i)) }, true},
		{"a service sends no spans, and clocks differ", func(i int) trace.Trace { return without(skewed(request(i)), "leaf") }, false},
	} {
		f := arrival.New(nil, began.Add(time.Hour), func(trace.Trace) {})
		for i := range n {
			f.Add(c.make(i))
		}
		f.Flush()
		if f.Undatable() != c.undatable {
			t.Errorf("%s: %v", c.why, f.Undatable())
		}
	}
}
