package setup_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tenhop/tenhop/middleware/setup"
)

// traceCollector keeps what it gets. It may refuse the first export as one that is to be
// retried.
type traceCollector struct {
	coltracepb.UnimplementedTraceServiceServer
	refuse bool
	calls  atomic.Int32
	got    chan *coltracepb.ExportTraceServiceRequest
}

func (c *traceCollector) Export(_ context.Context, r *coltracepb.ExportTraceServiceRequest) (*coltracepb.ExportTraceServiceResponse, error) {
	if c.calls.Add(1) == 1 && c.refuse {
		return nil, status.Error(codes.Unavailable, "later")
	}
	c.got <- r
	return &coltracepb.ExportTraceServiceResponse{}, nil
}

func (c *traceCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b, err := io.ReadAll(body)
	m := &coltracepb.ExportTraceServiceRequest{}
	if err != nil || proto.Unmarshal(b, m) != nil {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	if _, err := c.Export(r.Context(), m); err != nil {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

// A collector gets the same whether spans are the SDK's or not.
func TestSpansOnTheWire(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			var got [2]*coltracepb.ExportTraceServiceRequest
			for i, options := range [][]setup.Option{{setup.WithSDKSpans()}, nil} {
				c := &traceCollector{got: make(chan *coltracepb.ExportTraceServiceRequest, 8)}
				t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.serve(t, protocol))
				t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
				t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
				rt, err := setup.Start(t.Context(), "shop", append(options, setup.WithLogWriter(io.Discard), setup.WithInstance("shop-1"))...)
				if err != nil {
					t.Fatal(err)
				}
				ctx, s := rt.TracerProvider.Tracer("t").Start(t.Context(), "outer", trace.WithAttributes(attribute.String("a", "b")), trace.WithTimestamp(time.Unix(1, 0)))
				_, inner := rt.TracerProvider.Tracer("u").Start(ctx, "inner", trace.WithTimestamp(time.Unix(1, 0)))
				inner.AddEvent("event", trace.WithTimestamp(time.Unix(1, 0)))
				inner.End(trace.WithTimestamp(time.Unix(2, 0)))
				s.End(trace.WithTimestamp(time.Unix(2, 0)))
				if err := rt.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				got[i] = <-c.got
			}
			for _, r := range got {
				for _, ss := range r.ResourceSpans[0].ScopeSpans {
					for _, s := range ss.Spans {
						s.TraceId, s.SpanId, s.ParentSpanId = nil, nil, nil
					}
				}
			}
			if !proto.Equal(got[0], got[1]) {
				t.Errorf("SDK: %v\nours: %v", got[0], got[1])
			}
		})
	}
}

func (c *traceCollector) serve(t *testing.T, protocol string) string {
	if protocol != "grpc" {
		srv := httptest.NewServer(c)
		t.Cleanup(srv.Close)
		return srv.URL
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	coltracepb.RegisterTraceServiceServer(srv, c)
	go func() { _ = srv.Serve(lis) }() // until it is stopped
	t.Cleanup(srv.Stop)
	return "http://" + lis.Addr().String()
}

// A refused batch is sent again when the collector says so.
func TestRefusedSpansAreSentAgain(t *testing.T) {
	c := &traceCollector{got: make(chan *coltracepb.ExportTraceServiceRequest, 8), refuse: true}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.serve(t, "http/protobuf"))
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	rt, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	_, s := rt.TracerProvider.Tracer("t").Start(t.Context(), "work")
	s.End()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := rt.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if r, n := <-c.got, c.calls.Load(); n != 2 || r.ResourceSpans[0].ScopeSpans[0].Spans[0].Name != "work" {
		t.Errorf("after %d exports: %v", n, r)
	}
}

// The spans are the SDK's wherever someone may need them to be.
func TestWhoseSpans(t *testing.T) {
	for name, tc := range map[string]struct {
		env     map[string]string
		options []setup.Option
		sdk     bool
	}{
		"default":          {},
		"option":           {options: []setup.Option{setup.WithSDKSpans()}, sdk: true},
		"variable":         {env: map[string]string{"TENHOP_SDK_SPANS": "true"}, sdk: true},
		"variable, false":  {env: map[string]string{"TENHOP_SDK_SPANS": "false"}},
		"console":          {env: map[string]string{"OTEL_TRACES_EXPORTER": "console"}, sdk: true},
		"two exporters":    {env: map[string]string{"OTEL_TRACES_EXPORTER": "otlp,console"}, sdk: true},
		"SDK's own report": {env: map[string]string{"OTEL_GO_X_OBSERVABILITY": "true"}, sdk: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", silentCollector(t))
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			rt, err := setup.Start(t.Context(), "shop", append(tc.options, setup.WithLogWriter(io.Discard))...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = rt.Shutdown(context.WithoutCancel(t.Context())) }()
			if _, ok := rt.TracerProvider.(*sdktrace.TracerProvider); ok != tc.sdk {
				t.Errorf("%T", rt.TracerProvider)
			}
		})
	}
	t.Setenv("TENHOP_SDK_SPANS", "maybe")
	if _, err := setup.Start(t.Context(), "shop"); err == nil || !strings.Contains(err.Error(), "TENHOP_SDK_SPANS") {
		t.Errorf("Start: %v", err)
	}
}

// Each sampler of the environment decides as the SDK's does.
func TestSamplersOfTheEnvironment(t *testing.T) {
	for _, name := range []string{"", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"} {
		var decisions [2]bytes.Buffer
		for i, options := range [][]setup.Option{{setup.WithSDKSpans()}, nil} {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", silentCollector(t))
			t.Setenv("OTEL_TRACES_SAMPLER", name)
			t.Setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
			rt, err := setup.Start(t.Context(), "shop", append(options, setup.WithLogWriter(io.Discard))...)
			if err != nil {
				t.Fatal(err)
			}
			for id := range 100 {
				for flags := range 2 {
					for _, remote := range []bool{false, true} {
						ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
							TraceID: trace.TraceID{8: byte(id * 2), 9: 1}, SpanID: trace.SpanID{1}, TraceFlags: trace.TraceFlags(flags), Remote: remote}))
						_, s := rt.TracerProvider.Tracer("t").Start(ctx, "work")
						decisions[i].WriteByte('0' + byte(s.SpanContext().TraceFlags()))
					}
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_ = rt.Shutdown(ctx)
		}
		if decisions[0].String() != decisions[1].String() {
			t.Errorf("%s: SDK %s, ours %s", name, &decisions[0], &decisions[1])
		}
	}
}
