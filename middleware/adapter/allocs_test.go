package adapter_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// gathered returns a registry with a histogram of as many series.
func gathered(tb testing.TB, series int) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	h := histogram(tb, reg)
	for n := range series {
		h.Observe(time.Millisecond, time.Now(), trace.SpanContext{}, fmt.Sprint(n))
	}
	return reg
}

func histogram(tb testing.TB, reg prometheus.Registerer) *adapter.Histogram {
	core, err := adapter.NewCore(adapter.Config{ServiceName: "shop", Registerer: reg, Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	h, err := core.RequestHistogram("test_duration_seconds", "Durations.", "operation")
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// A scrape makes no description for each series, as it does for a registerer that adds a
// label.
func TestScrapeAllocations(t *testing.T) {
	const series = 500
	gather := func(reg *prometheus.Registry) float64 {
		return testing.AllocsPerRun(20, func() {
			if _, err := reg.Gather(); err != nil {
				t.Error(err)
			}
		})
	}
	each := func(registry func(series int) *prometheus.Registry) float64 {
		return (gather(registry(series+1)) - gather(registry(1))) / series
	}
	ours := each(func(series int) *prometheus.Registry { return gathered(t, series) })
	added := each(func(series int) *prometheus.Registry {
		reg := prometheus.NewRegistry()
		h := histogram(t, prometheus.WrapRegistererWith(prometheus.Labels{"zone": "a"}, reg))
		for n := range series {
			h.Observe(time.Millisecond, time.Now(), trace.SpanContext{}, fmt.Sprint(n))
		}
		return reg
	})
	t.Logf("%.1f allocations for each series, %.1f with a label added", ours, added)
	if ours > added-5 {
		t.Errorf("%.1f allocations for each series, %.1f with a label added; want 5 less at least", ours, added)
	}
}

func BenchmarkGather(b *testing.B) {
	reg := gathered(b, 500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}

// sampled is the context of a span that is sampled.
var sampled = trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})

func BenchmarkExemplar(b *testing.B) {
	s, now := histogram(b, prometheus.NewRegistry()).With("a"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(2 * time.Second) // each is due
		s.Observe(time.Millisecond, now, sampled)
	}
}

// maxExemplarAllocs is the number of allocations of an observation with an exemplar. The
// client makes all but that of the trace ID.
const maxExemplarAllocs = 8

func TestExemplarAllocations(t *testing.T) {
	s, now := histogram(t, prometheus.NewRegistry()).With("a"), time.Now()
	n := testing.AllocsPerRun(1000, func() {
		now = now.Add(2 * time.Second)
		if !s.Observe(time.Millisecond, now, sampled) {
			t.Error("no exemplar")
		}
	})
	t.Logf("%v allocations", n)
	if n > maxExemplarAllocs && !raceEnabled { // a pool drops some of what it is given then
		t.Errorf("%v allocations, at most %d", n, maxExemplarAllocs)
	}
}
