package adapter

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

// Overflow is the label value for series beyond a family's limit and for values
// outside a closed set, such as unknown methods.
const Overflow = "_OTHER"

// maxLabels is the maximum number of labels of a Histogram.
const maxLabels = 8

// minExemplarInterval is the minimum interval between exemplars in a bucket. An
// exemplar costs about twenty times a plain observation.
const minExemplarInterval = time.Second

// Bucket bounds in seconds. requestBuckets are those of the semantic conventions
// for http.server.request.duration. hopBuckets add the range below 5 ms, which
// holds the self times and waits of healthy hops.
var (
	requestBuckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	hopBuckets     = append([]float64{.0005, .001, .0025}, requestBuckets...)
)

type labelValues [maxLabels]string

// Histogram is a family of duration histograms in seconds, with classic buckets and
// native ones. The number of its series is limited. It is registered itself, so that
// all Cores with a registry share the limit.
type Histogram struct {
	vec     *prometheus.HistogramVec
	names   []string
	labels  int
	buckets []float64
	limit   int

	mu       sync.RWMutex
	series   map[labelValues]*Series
	families *families // of which this is the first

	operation, entry int                      // indexes of these labels, or -1
	byEntry          map[string][]labelValues // series of hops that work for a caller's entry
}

var _ prometheus.Collector = (*Histogram)(nil)

// Describe implements prometheus.Collector.
func (h *Histogram) Describe(to chan<- *prometheus.Desc) { h.vec.Describe(to) }

// Collect implements prometheus.Collector.
func (h *Histogram) Collect(to chan<- prometheus.Metric) { h.vec.Collect(to) }

// Series is one series of a Histogram. An adapter can keep a Series to avoid
// looking up its labels for each observation.
type Series struct {
	buckets  []float64
	observer prometheus.Observer
	exemplar prometheus.ExemplarObserver
	last     []atomic.Int64 // per bucket, Unix nanoseconds of its last exemplar
}

// RequestHistogram registers a family of request durations with the buckets of the
// semantic conventions. A family that is already registered with the same labels in
// the same order is shared. A family has at most 8 labels.
func (t *Core) RequestHistogram(name, help string, labels ...string) (*Histogram, error) {
	return t.histogram(name, help, requestBuckets, labels)
}

func (t *Core) histogram(name, help string, buckets []float64, labels []string) (*Histogram, error) {
	if len(labels) > maxLabels {
		return nil, fmt.Errorf("hop: %s has %d labels, at most %d are allowed", name, len(labels), maxLabels)
	}
	t.histogramsMu.Lock()
	defer t.histogramsMu.Unlock()
	if h := t.histograms[name]; h != nil && slices.Equal(h.names, labels) && slices.Equal(h.buckets, buckets) {
		return h, nil // with its limit, which holds for all handlers together
	}
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets, ConstLabels: t.service,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}, labels)
	h, err := register(t, &Histogram{vec: vec, names: slices.Clone(labels), labels: len(labels), buckets: buckets, limit: t.seriesLimit, series: map[labelValues]*Series{},
		operation: slices.Index(labels, "operation"), entry: slices.Index(labels, "entry"), byEntry: map[string][]labelValues{}}, name)
	if err != nil {
		return nil, err
	}
	t.histograms[name] = h
	return h, nil
}

// Observe records a duration in the series of the label values. It adds an
// exemplar when the span's trace is sampled and the bucket is due for one.
func (h *Histogram) Observe(d time.Duration, now time.Time, sc trace.SpanContext, values ...string) {
	var key labelValues
	copy(key[:], values)
	h.resolve(key).Observe(d, now, sc)
}

// With returns the series of the label values.
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
	for i := range h.labels {
		key[i] = labelValue(key[i])
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
	if h.entry >= 0 && h.operation >= 0 && key[h.entry] != key[h.operation] && key[h.entry] != Overflow {
		h.byEntry[key[h.entry]] = append(h.byEntry[key[h.entry]], key)
	}
	return s
}

// forget removes the series of hops that worked for a caller's entry and returns their
// labels.
func (h *Histogram) forget(entry string) []labelValues {
	h.mu.Lock()
	defer h.mu.Unlock()
	keys := h.byEntry[labelValue(entry)]
	delete(h.byEntry, labelValue(entry))
	for _, key := range keys {
		delete(h.series, key)
		h.vec.DeleteLabelValues(key[:h.labels]...)
	}
	return keys
}

// labelValue returns s as valid UTF-8, for which client_golang panics otherwise. Names
// and attributes of other libraries may have any bytes.
func labelValue(s string) string { return strings.ToValidUTF8(s, "?") }

// Observe records a duration. It adds an exemplar when the span's trace is sampled
// and the bucket is due for one, and reports whether it did.
func (s *Series) Observe(d time.Duration, now time.Time, sc trace.SpanContext) bool {
	seconds := max(d.Seconds(), 0)
	if s.exemplar == nil || !sc.IsSampled() {
		s.observer.Observe(seconds)
		return false
	}
	last := &s.last[sort.SearchFloat64s(s.buckets, seconds)]
	was, ns := last.Load(), now.UnixNano()
	if ns-was < int64(minExemplarInterval) || !last.CompareAndSwap(was, ns) {
		s.observer.Observe(seconds)
		return false
	}
	labels := exemplarLabels.Get().(prometheus.Labels)
	labels["trace_id"] = sc.TraceID().String()
	s.exemplar.ObserveWithExemplar(seconds, labels)
	exemplarLabels.Put(labels)
	return true
}

// exemplarLabels holds the labels of exemplars for reuse, since an exemplar copies them.
var exemplarLabels = sync.Pool{New: func() any { return prometheus.Labels{} }}
