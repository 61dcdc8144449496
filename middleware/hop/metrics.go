package hop

import (
	"errors"
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Overflow is the label value of everything beyond a family's series limit,
// and of methods outside the known set.
const Overflow = "_OTHER"

// maxLabels is the most labels that a family of ours has.
const maxLabels = 8

// exemplarEvery is the least time between two exemplars of one bucket: an
// exemplar costs about twenty times a plain observation.
const exemplarEvery = time.Second

// Buckets, in seconds. RequestBuckets are those of the semantic conventions
// for http.server.request.duration; HopBuckets add the range below 5 ms,
// where self time and waits of healthy hops live.
var (
	requestBuckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	hopBuckets     = append([]float64{.0005, .001, .0025}, requestBuckets...)
)

type labelValues [maxLabels]string

// Histogram is a family of duration histograms in seconds, classic and native,
// whose series are resolved once and whose number is capped.
type Histogram struct {
	vec     *prometheus.HistogramVec
	labels  int
	buckets []float64
	limit   int

	mu     sync.RWMutex
	series map[labelValues]*Series
}

// Series is one series of a Histogram, resolved once.
type Series struct {
	buckets  []float64
	observer prometheus.Observer
	exemplar prometheus.ExemplarObserver
	last     []atomic.Int64 // per bucket, Unix nanoseconds of its last exemplar
}

// RequestHistogram registers a family with the buckets of the semantic
// conventions. A family that is registered already is shared.
func (t *Telemetry) RequestHistogram(name, help string, labels ...string) (*Histogram, error) {
	return t.histogram(name, help, requestBuckets, labels)
}

func (t *Telemetry) histogram(name, help string, buckets []float64, labels []string) (*Histogram, error) {
	if len(labels) > maxLabels {
		return nil, fmt.Errorf("hop: %s has %d labels, at most %d are kept", name, len(labels), maxLabels)
	}
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}, labels)
	if err := t.registerer.Register(vec); err != nil {
		var have prometheus.AlreadyRegisteredError
		old, ok := (*prometheus.HistogramVec)(nil), false
		if errors.As(err, &have) {
			old, ok = have.ExistingCollector.(*prometheus.HistogramVec)
		}
		if !ok {
			return nil, fmt.Errorf("hop: register %s: %w", name, err)
		}
		vec = old
	}
	return &Histogram{vec: vec, labels: len(labels), buckets: buckets, limit: t.seriesLimit, series: map[labelValues]*Series{}}, nil
}

// Observe records a duration under the label values, with an exemplar of the
// span when its trace is sampled and the bucket is due for one.
func (h *Histogram) Observe(d time.Duration, now time.Time, sc trace.SpanContext, values ...string) {
	var key labelValues
	copy(key[:], values)
	h.resolve(key).Observe(d, now, sc)
}

// With resolves the series of the label values, for adapters that keep it.
func (h *Histogram) With(values ...string) *Series {
	var key labelValues
	copy(key[:], values)
	return h.resolve(key)
}

func (h *Histogram) resolve(key labelValues) *Series {
	h.mu.RLock()
	s := h.series[key]
	h.mu.RUnlock()
	if s != nil {
		return s
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s = h.series[key]; s != nil {
		return s
	}
	if len(h.series) >= h.limit {
		for i := range h.labels {
			key[i] = Overflow
		}
		if s = h.series[key]; s != nil {
			return s
		}
	}
	o := h.vec.WithLabelValues(key[:h.labels]...)
	s = &Series{buckets: h.buckets, observer: o, last: make([]atomic.Int64, len(h.buckets)+1)}
	s.exemplar, _ = o.(prometheus.ExemplarObserver)
	h.series[key] = s
	return s
}

// Observe records a duration, with an exemplar of the span when its trace is
// sampled and the bucket is due for one, and tells whether it was.
func (s *Series) Observe(d time.Duration, now time.Time, sc trace.SpanContext) bool {
	seconds := max(d.Seconds(), 0)
	if s.exemplar == nil || !sc.IsSampled() {
		s.observer.Observe(seconds)
		return false
	}
	last := &s.last[sort.SearchFloat64s(s.buckets, seconds)]
	was, ns := last.Load(), now.UnixNano()
	if ns-was < int64(exemplarEvery) || !last.CompareAndSwap(was, ns) {
		s.observer.Observe(seconds)
		return false
	}
	s.exemplar.ObserveWithExemplar(seconds, prometheus.Labels{"trace_id": sc.TraceID().String()})
	return true
}

// families are those that every hop feeds.
type families struct {
	self, whole, wait, queue, completion *Histogram

	mu   sync.RWMutex
	hops map[hopLabels]*hopSeries // self and whole, resolved together
}

// hopLabels are the labels that a hop's families share.
type hopLabels struct{ protocol, operation, entry, flow string }

// hopSeries are the series of hops with the same labels.
type hopSeries struct {
	labels      hopLabels
	self, whole *Series
	waits       atomic.Pointer[[]waitSeries] // replaced as a whole
	queue       atomic.Pointer[Series]
	completion  atomic.Pointer[Series]
}

type waitSeries struct {
	dep    Dependency
	series *Series
}

// ofHop resolves the series of a hop. Labels beyond the limit are resolved
// anew each time, to the overflow series.
func (f *families) ofHop(l hopLabels) *hopSeries {
	f.mu.RLock()
	s := f.hops[l]
	f.mu.RUnlock()
	if s != nil {
		return s
	}
	key := labelValues{l.protocol, l.operation, l.entry, l.flow}
	s = &hopSeries{labels: l, self: f.self.resolve(key), whole: f.whole.resolve(key)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if have := f.hops[l]; have != nil {
		return have
	}
	if len(f.hops) < f.self.limit {
		f.hops[l] = s
	}
	return s
}

// resolved is a series that only messages of a queue have, kept once it is known.
func (s *hopSeries) resolved(kept *atomic.Pointer[Series], family *Histogram) *Series {
	if have := kept.Load(); have != nil {
		return have
	}
	series := family.resolve(labelValues{s.labels.operation, s.labels.entry})
	kept.Store(series)
	return series
}

// waitFor resolves the series of a wait.
func (s *hopSeries) waitFor(f *families, dep Dependency) *Series {
	have := s.waits.Load()
	if have != nil {
		for i := range *have {
			if (*have)[i].dep == dep {
				return (*have)[i].series
			}
		}
	}
	w := f.wait.resolve(labelValues{s.labels.operation, s.labels.entry, s.labels.flow, dep.Name, dep.Kind})
	var next []waitSeries
	if have != nil {
		next = append(next, *have...)
	}
	if next = append(next, waitSeries{dep, w}); len(next) <= maxWaits {
		s.waits.CompareAndSwap(have, &next) // a lost race resolves it again next time
	}
	return w
}

// maxWaits bounds the resolved waits of one operation.
const maxWaits = 64

func newFamilies(t *Telemetry) (*families, error) {
	f := &families{hops: map[hopLabels]*hopSeries{}}
	var errs []error
	add := func(to **Histogram, name, help string, labels ...string) {
		h, err := t.histogram(name, help, hopBuckets, labels)
		*to = h
		errs = append(errs, err)
	}
	add(&f.self, "hop_self_duration_seconds",
		"Time a hop spent itself: its duration minus the union of the intervals in which a downstream call of it was in flight.",
		"protocol", "operation", "entry", "flow")
	add(&f.whole, "hop_duration_seconds", "Whole duration of a hop, by the entry it worked for.",
		"protocol", "operation", "entry", "flow")
	add(&f.wait, "hop_wait_duration_seconds", "Time a hop had calls to one dependency in flight.",
		"operation", "entry", "flow", "dependency", "dependency_kind")
	add(&f.queue, "hop_queue_wait_seconds",
		"Time a message waited: from produced to the start of its processing, or from committed to the outbox to published.",
		"operation", "entry")
	add(&f.completion, "hop_completion_duration_seconds",
		"From the start of the entry to the end of processing of a message that it caused.",
		"operation", "entry")
	return f, errors.Join(errs...)
}
