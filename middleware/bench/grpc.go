package main

import (
	"context"
	"io"
	"net"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tenhop/tenhop/middleware/grpcmw"
)

const fullMethod = "/tenhop.v1.Payment/Charge"

// interceptorOf gets the unary interceptor that a server with the options calls,
// by serving one call over an in-memory connection.
func interceptorOf(opts ...grpc.ServerOption) grpc.UnaryServerInterceptor {
	var got grpc.UnaryServerInterceptor
	srv := grpc.NewServer(opts...)
	srv.RegisterService(&grpc.ServiceDesc{ServiceName: "tenhop.v1.Payment", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Charge",
		Handler: func(_ any, _ context.Context, dec func(any) error, i grpc.UnaryServerInterceptor) (any, error) {
			got = i
			return new(emptypb.Empty), dec(new(emptypb.Empty))
		},
	}}}, nil)
	l := bufconn.Listen(1 << 16)
	go func() { _ = srv.Serve(l) }()
	defer srv.Stop()
	conn, err := grpc.NewClient("passthrough:///bench", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := conn.Invoke(ctx, fullMethod, new(emptypb.Empty), new(emptypb.Empty)); err != nil {
		panic(err)
	}
	return got
}

// transportStream takes headers and does nothing.
type transportStream struct{}

func (transportStream) Method() string               { return fullMethod }
func (transportStream) SetHeader(metadata.MD) error  { return nil }
func (transportStream) SendHeader(metadata.MD) error { return nil }
func (transportStream) SetTrailer(metadata.MD) error { return nil }

func grpcServer(tp providers, sampled bool) variants {
	ctx := grpc.NewContextWithServerTransportStream(context.Background(), transportStream{})
	ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("traceparent", parent(sampled), "x-correlation-id",
		"0192f0c1-2a3b-7c4d-8e5f-0123456789ab", "user-agent", "bench/1", ":authority", "payment:8080"))
	req, resp := new(emptypb.Empty), new(emptypb.Empty)
	info := &grpc.UnaryServerInfo{FullMethod: fullMethod}
	handler := func(context.Context, any) (any, error) { return resp, nil }
	intercepted := func(i grpc.UnaryServerInterceptor) func() {
		return func() { _, _ = i(ctx, req, info, handler) }
	}
	otel := otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(tp.sdk), otelgrpc.WithPropagators(propagators),
		otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()))
	// The events that grpc-go gives a stats handler for one unary call, in its order.
	traced := func(i grpc.UnaryServerInterceptor) func() {
		return func() {
			ctx := otel.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: fullMethod})
			begin := time.Now()
			otel.HandleRPC(ctx, &stats.InHeader{FullMethod: fullMethod})
			otel.HandleRPC(ctx, &stats.Begin{BeginTime: begin})
			otel.HandleRPC(ctx, &stats.InPayload{Payload: req})
			if i == nil {
				_, _ = handler(ctx, req)
			} else {
				_, _ = i(ctx, req, info, handler)
			}
			otel.HandleRPC(ctx, &stats.OutHeader{})
			otel.HandleRPC(ctx, &stats.OutPayload{Payload: resp})
			otel.HandleRPC(ctx, &stats.OutTrailer{})
			otel.HandleRPC(ctx, &stats.End{BeginTime: begin, EndTime: time.Now()})
		}
	}
	return variants{
		bare:     func() { _, _ = handler(ctx, req) },
		ours:     intercepted(interceptorOf(grpcmw.ServerOptions(grpcmw.WithTelemetry(telemetry(tp.ours)))...)),
		alone:    traced(nil),
		composed: traced(interceptorOf(composedGRPC()...)),
	}
}

// composedGRPC is grpcprom with exemplars, logging, recovery and a
// correlation-ID interceptor.
func composedGRPC() []grpc.ServerOption {
	metrics := grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram(grpcprom.WithHistogramBuckets(prometheus.DefBuckets)))
	exemplar := grpcprom.WithExemplarFromContext(func(ctx context.Context) prometheus.Labels {
		if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
			return prometheus.Labels{"trace_id": sc.TraceID().String()}
		}
		return nil
	})
	zl := zerolog.New(io.Discard).With().Timestamp().Logger()
	logger := logging.LoggerFunc(func(_ context.Context, _ logging.Level, msg string, fields ...any) {
		zl.Info().Fields(fields).Msg(msg)
	})
	withTrace := logging.WithFieldsFromContext(func(ctx context.Context) logging.Fields {
		f := logging.Fields{}
		if id, ok := ctx.Value(correlationKey{}).(string); ok {
			f = append(f, "correlation_id", id)
		}
		if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
			f = append(f, "trace_id", sc.TraceID().String(), "span_id", sc.SpanID().String())
		}
		return f
	})
	correlation := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		id := ""
		if v := metadata.ValueFromIncomingContext(ctx, "x-correlation-id"); len(v) > 0 {
			id = v[0]
		}
		_ = grpc.SetHeader(ctx, metadata.Pairs("x-correlation-id", id))
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			span.SetAttributes(attribute.String("correlation_id", id))
		}
		return h(context.WithValue(ctx, correlationKey{}, id), req)
	}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(correlation, metrics.UnaryServerInterceptor(exemplar),
		logging.UnaryServerInterceptor(logger, withTrace, logging.WithLogOnEvents(logging.FinishCall)), recovery.UnaryServerInterceptor())}
}
