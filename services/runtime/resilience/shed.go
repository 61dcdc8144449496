package resilience

import (
	"net/http"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Shed returns a handler that passes at most limit requests at a time to next. It answers
// others at once with refuse, which should send 503 with Retry-After. It panics if the
// registry refuses its metrics.
func Shed(limit uint, to prometheus.Registerer, refuse http.HandlerFunc, next http.Handler) http.Handler {
	shed := prometheus.NewCounter(prometheus.CounterOpts{Name: "hop_requests_shed_total", Help: "Requests that were refused because too many were in flight."})
	most := prometheus.NewGauge(prometheus.GaugeOpts{Name: "hop_requests_limit", Help: "Requests in flight from which on others are refused."})
	most.Set(float64(limit))
	to.MustRegister(shed, most)
	room := bulkhead.New[any](limit)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !room.TryAcquirePermit() {
			shed.Inc()
			trace.SpanFromContext(r.Context()).AddEvent("request shed", trace.WithAttributes(attribute.Int64("limit", int64(limit))))
			refuse(w, r)
			return
		}
		defer room.ReleasePermit()
		next.ServeHTTP(w, r)
	})
}
