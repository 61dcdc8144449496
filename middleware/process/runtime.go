package process

import (
	"math"
	"runtime/metrics"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	schedule = newFamily("go_schedule_duration_seconds", prometheus.UntypedValue,
		"Time that goroutines were runnable before they ran. The sum is an estimate from finer buckets.")
	gcCPU = newFamily("go_cpu_classes_gc_total_cpu_seconds_total", prometheus.CounterValue,
		"Estimated CPU time spent in garbage collection.")
	gcIdle = newFamily("go_cpu_classes_gc_mark_idle_cpu_seconds_total", prometheus.CounterValue,
		"Estimated CPU time spent in garbage collection on processors that had nothing else to do.")
	gcAssist = newFamily("go_cpu_classes_gc_mark_assist_cpu_seconds_total", prometheus.CounterValue,
		"Estimated CPU time that goroutines spent helping the garbage collector.")
	mutexWait = newFamily("go_sync_mutex_wait_total_seconds_total", prometheus.CounterValue,
		"Approximate time that goroutines were blocked on a sync.Mutex, a sync.RWMutex or a lock of the runtime.")
	heapLive = newFamily("go_gc_heap_live_bytes", prometheus.GaugeValue,
		"Heap memory that was live at the last garbage collection.")

	runtimeFamilies = []*family{schedule, gcCPU, gcIdle, gcAssist, mutexWait, heapLive}
)

// scheduleBounds are the bounds in seconds of go_schedule_duration_seconds.
var scheduleBounds = []float64{1e-4, 1e-3, 1e-2, 1e-1, 1}

// runtimeMetrics reads runtime/metrics into samples that are kept, since a histogram is
// read into the buffer of the last one.
type runtimeMetrics struct {
	samples  []metrics.Sample
	families []*family
}

func newRuntimeMetrics() *runtimeMetrics {
	return &runtimeMetrics{
		samples: []metrics.Sample{
			{Name: "/sched/latencies:seconds"},
			{Name: "/cpu/classes/gc/total:cpu-seconds"},
			{Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
			{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"},
			{Name: "/sync/mutex/wait/total:seconds"},
			{Name: "/gc/heap/live:bytes"},
		},
		families: runtimeFamilies,
	}
}

func (r *runtimeMetrics) collect(s sink) {
	metrics.Read(r.samples)
	for i, sample := range r.samples {
		switch f := r.families[i]; sample.Value.Kind() {
		case metrics.KindFloat64:
			s.value(f, sample.Value.Float64())
		case metrics.KindUint64:
			s.value(f, float64(sample.Value.Uint64()))
		case metrics.KindFloat64Histogram:
			if s.wants(f) {
				count, sum, buckets := condense(sample.Value.Float64Histogram(), scheduleBounds)
				s.to <- prometheus.MustNewConstHistogram(f.desc, count, sum, buckets)
			}
		}
	}
}

// condense returns a histogram with fewer buckets, cumulative by upper bound. A bucket that
// contains a bound counts as above it. The sum takes each observation as the middle of its
// bucket.
func condense(h *metrics.Float64Histogram, bounds []float64) (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(bounds))
	for _, b := range bounds {
		buckets[b] = 0
	}
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		low, high := h.Buckets[i], h.Buckets[i+1]
		if math.IsInf(low, -1) {
			low = min(high, 0)
		}
		middle := (low + high) / 2
		if math.IsInf(high, 1) {
			middle = low
		}
		count += n
		sum += float64(n) * middle
		for _, b := range bounds {
			if high <= b {
				buckets[b] += n
			}
		}
	}
	return count, sum, buckets
}
