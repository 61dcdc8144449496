package spanmetrics

import (
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bucket bounds in seconds, those of the middleware.
var (
	requestBuckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	hopBuckets     = append([]float64{.0005, .001, .0025}, requestBuckets...)
	milliseconds   = []float64{2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000} // the collector's
)

// minExemplarInterval is the minimum interval between exemplars in a bucket.
const minExemplarInterval = time.Second

// family holds the series of a histogram or counter. Its first label is the service.
// The number of series is limited, per service and in all. Series beyond it are added
// to one whose labels except the service are "_OTHER"; those of services beyond
// the limit to one whose service is "_OTHER" too.
type family struct {
	histogram *prometheus.HistogramVec // or
	counter   *prometheus.CounterVec
	buckets   []float64
	labels    int
	limits    limits
	limited   prometheus.Counter

	series   map[string]*series // by appendKey
	services map[string]int     // series of each
}

// limits bounds the series of a family.
type limits struct{ perService, total int }

type series struct {
	values   []string
	observer prometheus.Observer
	counter  prometheus.Counter
	exemplar []time.Time // per bucket, time of its last exemplar
	used     time.Time
}

func newHistogram(l limits, limited prometheus.Counter, name, help string, buckets []float64, labels ...string) *family {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets, ConstLabels: sourceOf(name),
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}, labels)
	return &family{histogram: vec, buckets: buckets, labels: len(labels), limits: l, limited: limited,
		series: map[string]*series{}, services: map[string]int{}}
}

func newCounter(l limits, limited prometheus.Counter, name, help string, labels ...string) *family {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	return &family{counter: vec, labels: len(labels), limits: l, limited: limited, series: map[string]*series{}, services: map[string]int{}}
}

// sourceOf returns the constant labels of a family: source, unless the name is one of
// the collector's, which says that it comes from spans.
func sourceOf(name string) prometheus.Labels {
	if strings.HasPrefix(name, "traces_") {
		return nil
	}
	return prometheus.Labels{"source": "spans"}
}

// observe adds a value, in the unit of the family, with a trace as its exemplar.
func (f *family) observe(v float64, traceID string, now time.Time, values ...string) {
	s := f.resolve(now, values)
	if e, ok := s.observer.(prometheus.ExemplarObserver); ok && traceID != "" {
		last := &s.exemplar[sort.SearchFloat64s(f.buckets, v)]
		if now.Sub(*last) >= minExemplarInterval {
			*last = now
			e.ObserveWithExemplar(v, prometheus.Labels{"trace_id": traceID})
			return
		}
	}
	s.observer.Observe(v)
}

func (f *family) inc(now time.Time, values ...string) { f.resolve(now, values).counter.Inc() }

// keyBytes is the room for the key of a series without an allocation.
const keyBytes = 256

// appendKey appends the key of the series with label values.
func appendKey(b []byte, values []string) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, 0)
		}
		b = append(b, v...)
	}
	return b
}

// resolve returns the series with label values. It does not keep values.
func (f *family) resolve(now time.Time, values []string) *series {
	var room [keyBytes]byte
	key := appendKey(room[:0], values)
	s := f.series[string(key)]
	if s == nil {
		s = f.create(string(key), slices.Clone(values))
	}
	s.used = now
	return s
}

func (f *family) create(key string, values []string) *series {
	if f.services[values[0]] >= f.limits.perService || len(f.series) >= f.limits.total {
		f.limited.Inc()
		bounded := make([]string, len(values))
		for i := range bounded {
			bounded[i] = overflow
		}
		if f.services[values[0]] > 0 {
			bounded[0] = values[0]
		}
		values, key = bounded, string(appendKey(nil, bounded))
		if s := f.series[key]; s != nil {
			return s
		}
	}
	s := &series{values: values}
	if f.histogram != nil {
		s.observer = f.histogram.WithLabelValues(values...)
		s.exemplar = make([]time.Time, len(f.buckets)+1)
	} else {
		s.counter = f.counter.WithLabelValues(values...)
	}
	f.series[key] = s
	f.services[values[0]]++
	return s
}

// expire removes the series without an observation since a time.
func (f *family) expire(before time.Time) {
	for key, s := range f.series {
		if !s.used.Before(before) {
			continue
		}
		delete(f.series, key)
		if f.services[s.values[0]]--; f.services[s.values[0]] <= 0 {
			delete(f.services, s.values[0])
		}
		if f.histogram != nil {
			f.histogram.DeleteLabelValues(s.values...)
		} else {
			f.counter.DeleteLabelValues(s.values...)
		}
	}
}

// Describe implements prometheus.Collector.
func (f *family) Describe(ch chan<- *prometheus.Desc) { f.collector().Describe(ch) }

// Collect implements prometheus.Collector.
func (f *family) Collect(ch chan<- prometheus.Metric) { f.collector().Collect(ch) }

func (f *family) collector() prometheus.Collector {
	if f.histogram != nil {
		return f.histogram
	}
	return f.counter
}

// families holds all families.
type families struct {
	self, whole, wait, queue, completion *family
	http, rpc, message, sent             *family
	calls, duration                      *family
	request, failed, server, client      *family
}

func newFamilies(l limits, limited prometheus.Counter) *families {
	h := func(name, help string, buckets []float64, labels ...string) *family {
		return newHistogram(l, limited, name, help, buckets, labels...)
	}
	return &families{
		self: h("hop_self_duration_seconds",
			"Time a hop spent itself: its duration minus the union of the intervals in which a downstream call of it was in flight.",
			hopBuckets, "service_name", "protocol", "operation", "entry", "flow"),
		whole: h("hop_duration_seconds", "Whole duration of a hop, by the entry it worked for.",
			hopBuckets, "service_name", "protocol", "operation", "entry", "flow"),
		wait: h("hop_wait_duration_seconds", "Time a hop had calls to one dependency in flight.",
			hopBuckets, "service_name", "operation", "entry", "flow", "dependency", "dependency_kind"),
		queue: h("hop_queue_wait_seconds",
			"Time a message waited: from produced to the start of its processing, or from committed to the outbox to published.",
			hopBuckets, "service_name", "operation", "entry"),
		completion: h("hop_completion_duration_seconds",
			"From the start of the entry to the end of processing of a message that it caused.",
			hopBuckets, "service_name", "operation", "entry"),
		http: h("http_server_request_duration_seconds", "Duration of HTTP server requests.", requestBuckets,
			"service_name", "http_request_method", "http_route", "http_response_status_code", "error_type", "url_scheme"),
		rpc: h("rpc_server_call_duration_seconds", "Duration of RPCs, seen by the server.", requestBuckets,
			"service_name", "rpc_system_name", "rpc_method", "rpc_response_status_code", "error_type"),
		message: h("messaging_process_duration_seconds", "Duration of processing a message.", requestBuckets,
			"service_name", "messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type"),
		sent: h("messaging_client_operation_duration_seconds", "Duration of a messaging operation, seen by the client.", requestBuckets,
			"service_name", "messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type"),
		calls: newCounter(l, limited, "traces_span_metrics_calls_total", "Spans, by service, name, kind and status.",
			"service_name", "span_name", "span_kind", "status_code"),
		duration: h("traces_span_metrics_duration_milliseconds", "Duration of spans.", milliseconds,
			"service_name", "span_name", "span_kind", "status_code"),
		request: newCounter(l, limited, "traces_service_graph_request_total", "Requests between two nodes.",
			"client", "server", "connection_type"),
		failed: newCounter(l, limited, "traces_service_graph_request_failed_total", "Failed requests between two nodes.",
			"client", "server", "connection_type"),
		server: h("traces_service_graph_request_server_seconds", "Duration of requests between two nodes, seen by the server.", requestBuckets,
			"client", "server", "connection_type"),
		client: h("traces_service_graph_request_client_seconds", "Duration of requests between two nodes, seen by the client.", requestBuckets,
			"client", "server", "connection_type"),
	}
}

// hops returns the families that the middleware exports too.
func (f *families) hops() []*family {
	return []*family{f.self, f.whole, f.wait, f.queue, f.completion, f.http, f.rpc, f.message, f.sent}
}

// spans returns the families of the collector's span metrics connector.
func (f *families) spans() []*family { return []*family{f.calls, f.duration} }

// graph returns the families of the collector's service graph connector.
func (f *families) graph() []*family { return []*family{f.request, f.failed, f.server, f.client} }
