package peers

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"github.com/rs/zerolog/hlog"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

type routeKey struct{}

// Handler instruments a server whose routes are those of mux.
func (p *Peers) Handler(h http.Handler, mux *http.ServeMux) http.Handler {
	labels := []string{"code", "method", "route"}
	m := newCallMetrics(p.registry, "http_server", labels...)
	active := prometheus.NewGauge(prometheus.GaugeOpts{Name: "http_server_in_flight", Help: "Requests in flight."})
	p.registry.MustRegister(active)
	h = hlog.AccessHandler(func(r *http.Request, status, size int, d time.Duration) {
		hlog.FromRequest(r).Info().Str("method", r.Method).Stringer("url", r.URL).
			Int("status", status).Int("size", size).Dur("duration", d).Msg("request")
	})(h)
	logged := h
	h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hlog.FromRequest(r).UpdateContext(func(c zerolog.Context) zerolog.Context {
			if sc := trace.SpanContextFromContext(r.Context()); sc.IsValid() {
				c = c.Str("trace_id", sc.TraceID().String()).Str("span_id", sc.SpanID().String())
			}
			return c.Str("correlation_id", correlation(r.Context()))
		})
		logged.ServeHTTP(w, r)
	})
	h = hlog.RemoteAddrHandler("ip")(hlog.UserAgentHandler("user_agent")(h))
	h = hlog.NewHandler(p.log)(h)
	route := promhttp.WithLabelFromCtx("route", func(ctx context.Context) string {
		route, _ := ctx.Value(routeKey{}).(string)
		return route
	})
	withExemplar := promhttp.WithExemplarFromContext(exemplar)
	h = promhttp.InstrumentHandlerDuration(m.duration, promhttp.InstrumentHandlerCounter(m.total,
		promhttp.InstrumentHandlerInFlight(active, h), withExemplar, route), withExemplar, route)
	inner := h
	h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, id := correlated(r.Context(), r.Header.Get(correlationHeader))
		w.Header().Set(correlationHeader, id)
		_, pattern := mux.Handler(r)
		inner.ServeHTTP(w, r.WithContext(context.WithValue(ctx, routeKey{}, pattern)))
	})
	return otelhttp.NewHandler(h, p.service, otelhttp.WithTracerProvider(p.provider),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), otelhttp.WithPropagators(p.propagator))
}

// Transport instruments the calls to a service.
func (p *Peers) Transport(base http.RoundTripper, callee string) http.RoundTripper {
	call := promhttp.RoundTripperFunc(func(r *http.Request) (*http.Response, error) {
		start := time.Now()
		r = r.Clone(r.Context())
		r.Header.Set(correlationHeader, correlation(r.Context()))
		resp, err := base.RoundTrip(r)
		code, took := "", time.Since(start)
		if err == nil {
			code = strconv.Itoa(resp.StatusCode)
		}
		p.calls.observe(r.Context(), took, callee, code, r.Method)
		traced(r.Context(), p.log.Info()).Str("callee", callee).Dur("duration", took).Msg("call")
		return resp, err
	})
	return otelhttp.NewTransport(call, otelhttp.WithTracerProvider(p.provider),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), otelhttp.WithPropagators(p.propagator))
}
