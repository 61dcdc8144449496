package httpmw

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// serverMetrics holds the families of HTTP servers and a bounded number of their
// series. Looking up a series costs several times an observation.
type serverMetrics struct {
	duration *adapter.Histogram
	active   *prometheus.GaugeVec
	gauges   *[len(methods)]atomic.Pointer[prometheus.Gauge]
	series   *resolved[requestLabels, *adapter.Series]
	names    *resolved[operationKey, string]
}

// requestLabels holds the labels of a request, unformatted.
type requestLabels struct {
	method, route, errorType string
	status                   int
	tls                      bool
}

type operationKey struct{ method, route string }

// maxResolved is the maximum number of entries of a resolved map. Others are looked
// up each time.
const maxResolved = 4096

func newServerMetrics(t *adapter.Core) (serverMetrics, error) {
	d, err := t.RequestHistogram("http_server_request_duration_seconds",
		"Duration of HTTP server requests.",
		"http_request_method", "http_route", "http_response_status_code", "error_type", "url_scheme")
	if err != nil {
		return serverMetrics{}, err
	}
	active, err := t.RegisterGauge("http_server_active_requests", "HTTP server requests in flight.", "http_request_method")
	if err != nil {
		return serverMetrics{}, err
	}
	return serverMetrics{duration: d, active: active, gauges: &[len(methods)]atomic.Pointer[prometheus.Gauge]{},
		series: newResolved[requestLabels, *adapter.Series](), names: newResolved[operationKey, string]()}, nil
}

func (m *serverMetrics) inFlight(method int) prometheus.Gauge {
	if g := m.gauges[method].Load(); g != nil {
		return *g
	}
	g := m.active.WithLabelValues(methods[method])
	m.gauges[method].Store(&g)
	return g
}

// operationOf returns "METHOD route" without building it for every request.
func (m *serverMetrics) operationOf(method, route string) string {
	key := operationKey{method, route}
	if op, ok := m.names.get(key); ok {
		return op
	}
	return m.names.put(key, method+" "+route)
}

func (m *serverMetrics) seriesOf(l requestLabels) *adapter.Series {
	s, ok := m.series.get(l)
	if !ok {
		s = m.series.put(l, m.duration.With(l.method, l.route, statusText(l.status), l.errorType, scheme(l.tls)))
	}
	return s
}

// resolved is a bounded map for many reads and few writes.
type resolved[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]V
}

func newResolved[K comparable, V any]() *resolved[K, V] { return &resolved[K, V]{m: map[K]V{}} }

func (r *resolved[K, V]) get(k K) (V, bool) {
	r.mu.RLock()
	v, ok := r.m[k]
	r.mu.RUnlock()
	return v, ok
}

func (r *resolved[K, V]) put(k K, v V) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.m) < maxResolved {
		r.m[k] = v
	}
	return v
}
