package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
	"github.com/rs/zerolog/hlog"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// nopWriter is a ResponseWriter that allocates nothing.
type nopWriter struct{ header http.Header }

func (w *nopWriter) Header() http.Header         { return w.header }
func (w *nopWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *nopWriter) WriteHeader(int)             {}

// request is a prebuilt one with the headers that the rows differ in.
func request(sampled bool, baggage, correlation bool) *http.Request {
	r, _ := http.NewRequest(http.MethodGet, "http://shop.example/items/7", http.NoBody)
	r.RemoteAddr, r.Pattern = "10.0.0.9:40000", "GET /items/{id}"
	r.Header.Set("User-Agent", "bench/1")
	r.Header.Set("Traceparent", parent(sampled))
	if correlation {
		r.Header.Set("X-Correlation-Id", "0192f0c1-2a3b-7c4d-8e5f-0123456789ab")
	}
	if baggage {
		r.Header.Set("Baggage", "correlation.id=0192f0c1-2a3b-7c4d-8e5f-0123456789ab,hop.entry=POST%20/checkout,hop.start=1790000000000")
	}
	return r
}

func parent(sampled bool) string {
	if sampled {
		return "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	}
	return "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
}

var body = []byte(`{"id":7}`)

func handle(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
}

func telemetry(tp trace.TracerProvider) *hop.Telemetry {
	t, err := hop.New(hop.WithServiceName("bench"), hop.WithTracerProvider(tp),
		hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.New(io.Discard).With().Timestamp().Logger()))
	if err != nil {
		panic(err)
	}
	return t
}

// httpServer has one row of the table's four variants.
func httpServer(tp providers, r *http.Request) variants {
	run := func(h http.Handler) func() {
		w := &nopWriter{header: http.Header{}}
		return func() {
			clear(w.header)
			h.ServeHTTP(w, r)
		}
	}
	bare := http.HandlerFunc(handle)
	return variants{
		bare:     run(bare),
		ours:     run(httpmw.Handler(bare, httpmw.WithTelemetry(telemetry(tp.ours)))),
		alone:    run(otelServer(bare, tp.sdk)),
		composed: run(composedServer(bare, tp.sdk)),
	}
}

func otelServer(h http.Handler, tp trace.TracerProvider) http.Handler {
	return otelhttp.NewHandler(h, "items", otelhttp.WithTracerProvider(tp),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), otelhttp.WithPropagators(propagators))
}

var propagators = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

type correlationKey struct{}

type routeKey struct{}

// composedServer is otelhttp, promhttp with exemplars and the route, hlog's
// access log with the trace ID, and a correlation-ID middleware.
func composedServer(h http.Handler, tp trace.TracerProvider) http.Handler {
	reg := prometheus.NewRegistry()
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "d", Buckets: prometheus.DefBuckets, NativeHistogramBucketFactor: 1.1}, []string{"code", "method", "route"})
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "c"}, []string{"code", "method", "route"})
	active := prometheus.NewGauge(prometheus.GaugeOpts{Name: "g"})
	reg.MustRegister(duration, total, active)
	exemplar := promhttp.WithExemplarFromContext(func(ctx context.Context) prometheus.Labels {
		if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
			return prometheus.Labels{"trace_id": sc.TraceID().String()}
		}
		return nil
	})
	h = hlog.AccessHandler(func(r *http.Request, status, size int, d time.Duration) {
		e := hlog.FromRequest(r).Info()
		e.Str("method", r.Method).Stringer("url", r.URL).
			Int("status", status).Int("size", size).Dur("duration", d).Msg("request")
	})(h)
	// A logger in the context that has trace and correlation ID, for user code.
	logged := h
	h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hlog.FromRequest(r).UpdateContext(func(c zerolog.Context) zerolog.Context {
			if sc := trace.SpanContextFromContext(r.Context()); sc.IsValid() {
				c = c.Str("trace_id", sc.TraceID().String()).Str("span_id", sc.SpanID().String())
			}
			id, _ := r.Context().Value(correlationKey{}).(string)
			return c.Str("correlation_id", id)
		})
		logged.ServeHTTP(w, r)
	})
	// The handlers of hlog's own README.
	h = hlog.RemoteAddrHandler("ip")(hlog.UserAgentHandler("user_agent")(h))
	h = hlog.NewHandler(zerolog.New(io.Discard).With().Timestamp().Logger())(h)
	route := promhttp.WithLabelFromCtx("route", func(ctx context.Context) string {
		route, _ := ctx.Value(routeKey{}).(string)
		return route
	})
	h = promhttp.InstrumentHandlerDuration(duration, promhttp.InstrumentHandlerCounter(total,
		promhttp.InstrumentHandlerInFlight(active, h), exemplar, route), exemplar, route)
	inner := h
	h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Correlation-Id")
		if id == "" {
			var b [16]byte
			_, _ = rand.Read(b[:])
			id = hex.EncodeToString(b[:])
		}
		w.Header().Set("X-Correlation-Id", id)
		if span := trace.SpanFromContext(r.Context()); span.IsRecording() {
			span.SetAttributes(attribute.String("correlation_id", id))
		}
		ctx := context.WithValue(r.Context(), correlationKey{}, id)
		inner.ServeHTTP(w, r.WithContext(context.WithValue(ctx, routeKey{}, r.Pattern)))
	})
	return otelServer(h, tp)
}

// stub answers every call at once.
type stub struct{ resp http.Response }

func (s *stub) RoundTrip(*http.Request) (*http.Response, error) {
	r := s.resp
	r.Body = io.NopCloser(eof{})
	return &r, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func httpClient(tp providers, sampled bool) variants {
	base := &stub{resp: http.Response{StatusCode: 200, Header: http.Header{}}}
	t := telemetry(tp.ours)
	ctx, _ := t.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /items/{id}",
		SpanKind: trace.SpanKindServer, Header: request(sampled, false, true).Header})
	ctx = context.WithValue(ctx, correlationKey{}, "0192f0c1-2a3b-7c4d-8e5f-0123456789ab")
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://fraud:8080/score", http.NoBody)
	buf := make([]byte, 64)
	run := func(rt http.RoundTripper) func() {
		return func() {
			resp, err := rt.RoundTrip(r)
			if err != nil {
				panic(err)
			}
			_, _ = resp.Body.Read(buf)
			_ = resp.Body.Close()
		}
	}
	return variants{
		bare:     run(base),
		ours:     run(httpmw.Transport(base, httpmw.WithTelemetry(t), httpmw.WithDependency("fraud"))),
		alone:    run(otelClient(base, tp.sdk)),
		composed: run(composedClient(base, tp.sdk)),
	}
}

func otelClient(base http.RoundTripper, tp trace.TracerProvider) http.RoundTripper {
	return otelhttp.NewTransport(base, otelhttp.WithTracerProvider(tp),
		otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()), otelhttp.WithPropagators(propagators))
}

func composedClient(base http.RoundTripper, tp trace.TracerProvider) http.RoundTripper {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "d", Buckets: prometheus.DefBuckets, NativeHistogramBucketFactor: 1.1}, []string{"code", "method"})
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "c"}, []string{"code", "method"})
	active := prometheus.NewGauge(prometheus.GaugeOpts{Name: "g"})
	exemplar := promhttp.WithExemplarFromContext(func(ctx context.Context) prometheus.Labels {
		if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
			return prometheus.Labels{"trace_id": sc.TraceID().String()}
		}
		return nil
	})
	rt := promhttp.InstrumentRoundTripperDuration(duration, promhttp.InstrumentRoundTripperCounter(total,
		promhttp.InstrumentRoundTripperInFlight(active, base), exemplar), exemplar)
	logger := zerolog.New(io.Discard).With().Timestamp().Logger()
	logged := promhttp.RoundTripperFunc(func(r *http.Request) (*http.Response, error) {
		start := time.Now()
		r2 := r.Clone(r.Context())
		id, _ := r.Context().Value(correlationKey{}).(string)
		r2.Header.Set("X-Correlation-Id", id)
		resp, err := rt.RoundTrip(r2)
		sc := trace.SpanContextFromContext(r.Context())
		logger.Info().Str("trace_id", sc.TraceID().String()).Str("correlation_id", id).Dur("duration", time.Since(start)).Msg("call")
		return resp, err
	})
	return otelClient(logged, tp)
}
