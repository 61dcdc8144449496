package main

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// besideBed is a service with both instrumentations.
type besideBed struct {
	spans *tracetest.SpanRecorder
	tp    *sdktrace.TracerProvider
	reg   *prometheus.Registry
	tel   *hop.Telemetry
	prop  propagation.TextMapPropagator
}

func newBesideBed(t *testing.T) *besideBed {
	t.Helper()
	b := &besideBed{spans: tracetest.NewSpanRecorder(), reg: prometheus.NewRegistry(), prop: hop.NestedPropagator(propagation.TraceContext{})}
	b.tp = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(b.spans))
	var err error
	b.tel, err = hop.New(hop.WithServiceName("shop"), hop.WithRegistry(b.reg), hop.WithTracerProvider(b.tp), hop.WithZerolog(zerolog.New(io.Discard)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *besideBed) count(t *testing.T, family string) (n uint64) {
	t.Helper()
	mfs, err := b.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() == family {
			for _, m := range mf.GetMetric() {
				n += m.GetHistogram().GetSampleCount()
			}
		}
	}
	return n
}

// chain fails the test unless the spans are one line of parents and children that starts
// below the remote one, if any, and returns their number.
func (b *besideBed) chain(t *testing.T, want int, remote trace.SpanContext) {
	t.Helper()
	ended := b.spans.Ended()
	children := map[trace.SpanID]int{}
	for _, s := range ended {
		if s.SpanContext().TraceID() != ended[0].SpanContext().TraceID() {
			t.Errorf("%s is in another trace", s.Name())
		}
		if children[s.Parent().SpanID()]++; children[s.Parent().SpanID()] > 1 {
			t.Errorf("%s has a sibling", s.Name())
		}
	}
	if len(ended) != want || remote.IsValid() && children[remote.SpanID()] != 1 {
		t.Errorf("%d spans, want %d; %d below the caller's", len(ended), want, children[remote.SpanID()])
	}
}

// Instrumentation of OpenTelemetry's that stays in place, outside or within, is one more
// level in the trace: one hop, counted once, and no siblings. So is a second handler of
// the package.
func TestBesideOtelhttp(t *testing.T) {
	remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	type wrap func(*besideBed, http.Handler) http.Handler
	ours := func(b *besideBed, h http.Handler) http.Handler { return httpmw.Handler(h, httpmw.WithTelemetry(b.tel)) }
	theirs := func(b *besideBed, h http.Handler) http.Handler {
		return otelhttp.NewHandler(h, "shop", otelhttp.WithTracerProvider(b.tp), otelhttp.WithPropagators(b.prop), otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()))
	}
	mux := func(_ *besideBed, h http.Handler) http.Handler {
		m := http.NewServeMux()
		m.Handle("GET /items/{id}", h)
		return m
	}
	for name, c := range map[string]struct {
		wraps []wrap // from the inside
		spans int
	}{
		"ours":                         {[]wrap{mux, ours}, 1},
		"ours outside":                 {[]wrap{mux, theirs, ours}, 2},
		"ours outside, theirs a route": {[]wrap{theirs, mux, ours}, 2},
		"ours within":                  {[]wrap{mux, ours, theirs}, 2},
		"ours a route":                 {[]wrap{ours, mux, theirs}, 2},
		"ours twice":                   {[]wrap{ours, mux, ours}, 1},
		"theirs between":               {[]wrap{ours, mux, theirs, ours}, 2},
		"ours between":                 {[]wrap{theirs, mux, ours, theirs}, 3},
	} {
		for _, parent := range []trace.SpanContext{{}, remote} {
			t.Run(name, func(t *testing.T) {
				b := newBesideBed(t)
				var h http.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
				for _, w := range c.wraps {
					h = w(b, h)
				}
				r := httptest.NewRequest(http.MethodGet, "/items/7", nil)
				propagation.TraceContext{}.Inject(trace.ContextWithRemoteSpanContext(t.Context(), parent), propagation.HeaderCarrier(r.Header))
				h.ServeHTTP(httptest.NewRecorder(), r)
				b.chain(t, c.spans, parent)
				for _, family := range []string{"hop_self_duration_seconds", "http_server_request_duration_seconds"} {
					if n := b.count(t, family); n != 1 {
						t.Errorf("%s counts %d", family, n)
					}
				}
			})
		}
	}
}

func TestBesideOtelhttpTransport(t *testing.T) {
	type wrap func(*besideBed, http.RoundTripper) http.RoundTripper
	ours := func(b *besideBed, rt http.RoundTripper) http.RoundTripper {
		return httpmw.Transport(rt, httpmw.WithTelemetry(b.tel), httpmw.WithDependency("stock"))
	}
	theirs := func(b *besideBed, rt http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(rt, otelhttp.WithTracerProvider(b.tp), otelhttp.WithPropagators(b.prop), otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()))
	}
	for name, c := range map[string]struct {
		wraps []wrap // from the inside
		spans int
	}{
		"ours": {[]wrap{ours}, 1}, "ours outside": {[]wrap{theirs, ours}, 2}, "ours within": {[]wrap{ours, theirs}, 2},
		"ours twice": {[]wrap{ours, ours}, 1}, "theirs between": {[]wrap{ours, theirs, ours}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBesideBed(t)
			var sent trace.SpanContext
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				sent = trace.SpanContextFromContext(propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
			}))
			defer srv.Close()
			rt := http.DefaultTransport
			for _, w := range c.wraps {
				rt = w(b, rt)
			}
			{
				resp, err := (&http.Client{Transport: rt}).Get(srv.URL)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				b.chain(t, c.spans, trace.SpanContext{})
				if innermost := b.spans.Ended()[0].SpanContext().SpanID(); sent.SpanID() != innermost {
					t.Errorf("the server gets span %s, want %s", sent.SpanID(), innermost)
				}
				if n := b.count(t, "http_client_request_duration_seconds"); n != 1 {
					t.Errorf("counted %d times", n)
				}
			}
		})
	}
}

func TestBesideOtelgrpc(t *testing.T) {
	for _, method := range []string{unary, streamed} {
		for name, c := range map[string]struct {
			servers, clients int // of ours
			otel             bool
			spans            int
		}{
			"ours":                 {1, 1, false, 2},
			"otelgrpc beside ours": {1, 1, true, 4},
			"ours twice":           {2, 2, false, 2},
			"ours twice, beside":   {2, 2, true, 4},
			"ours at the server":   {1, 0, true, 3},
			"ours at the client":   {0, 1, true, 3},
		} {
			t.Run(method+"/"+name, func(t *testing.T) {
				b := newBesideBed(t)
				var server []grpc.ServerOption
				var client []grpc.DialOption
				for range c.servers {
					server = append(server, grpcmw.ServerOptions(grpcmw.WithTelemetry(b.tel))...)
				}
				for range c.clients {
					client = append(client, grpcmw.DialOptions("payment", grpcmw.WithTelemetry(b.tel))...)
				}
				if c.otel {
					opts := []otelgrpc.Option{otelgrpc.WithTracerProvider(b.tp), otelgrpc.WithPropagators(b.prop), otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider())}
					server = append(server, grpc.StatsHandler(otelgrpc.NewServerHandler(opts...)))
					client = append(client, grpc.WithStatsHandler(otelgrpc.NewClientHandler(opts...)))
				}
				overConn(method, nil, server, client)
				b.chain(t, c.spans, trace.SpanContext{})
				if n := b.count(t, "rpc_server_call_duration_seconds"); n != uint64(min(c.servers, 1)) {
					t.Errorf("the server counts %d", n)
				}
				if n := b.count(t, "rpc_client_call_duration_seconds"); n != uint64(min(c.clients, 1)) {
					t.Errorf("the client counts %d", n)
				}
			})
		}
	}
}

// A grpc.Server that serves HTTP within a measured handler is one hop.
func TestGRPCWithinHTTP(t *testing.T) {
	b := newBesideBed(t)
	srv := grpc.NewServer(grpcmw.ServerOptions(grpcmw.WithTelemetry(b.tel))...)
	register(srv, nil)
	front := httptest.NewUnstartedServer(httpmw.Handler(srv, httpmw.WithTelemetry(b.tel)))
	front.EnableHTTP2 = true
	front.StartTLS()
	defer front.Close()
	roots := x509.NewCertPool()
	roots.AddCert(front.Certificate())
	conn, err := grpc.NewClient(front.Listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "example.com")))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Invoke(t.Context(), unary, new(emptypb.Empty), new(emptypb.Empty)); err != nil {
		t.Fatal(err)
	}
	front.Close() // waits for the handler
	if n, spans := b.count(t, "hop_self_duration_seconds"), len(b.spans.Ended()); n != 1 || spans != 1 {
		t.Errorf("%d hops, %d spans, want one of each", n, spans)
	}
}
