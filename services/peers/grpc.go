package peers

import (
	"context"
	"errors"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

func (p *Peers) otelgrpc() []otelgrpc.Option {
	return []otelgrpc.Option{otelgrpc.WithTracerProvider(p.provider), otelgrpc.WithPropagators(p.propagator),
		otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider())}
}

func (p *Peers) logger() logging.Logger {
	return logging.LoggerFunc(func(_ context.Context, _ logging.Level, msg string, fields ...any) {
		p.log.Info().Fields(fields).Msg(msg)
	})
}

// logFields are the options of both loggers.
func logFields() []logging.Option {
	return []logging.Option{logging.WithLogOnEvents(logging.FinishCall), logging.WithFieldsFromContext(func(ctx context.Context) logging.Fields {
		f := logging.Fields{"correlation_id", correlation(ctx)}
		if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
			f = append(f, "trace_id", sc.TraceID().String(), "span_id", sc.SpanID().String())
		}
		return f
	})}
}

// ServerOptions instruments a gRPC server.
func (p *Peers) ServerOptions() []grpc.ServerOption {
	metrics := grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram(grpcprom.WithHistogramBuckets(prometheus.DefBuckets)))
	p.registry.MustRegister(metrics)
	correlate := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		id := ""
		if v := metadata.ValueFromIncomingContext(ctx, correlationHeader); len(v) > 0 {
			id = v[0]
		}
		ctx, id = correlated(ctx, id)
		_ = grpc.SetHeader(ctx, metadata.Pairs(correlationHeader, id))
		return h(ctx, req)
	}
	return []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(p.otelgrpc()...)),
		grpc.ChainUnaryInterceptor(correlate, metrics.UnaryServerInterceptor(grpcprom.WithExemplarFromContext(exemplar)),
			logging.UnaryServerInterceptor(p.logger(), logFields()...), recovery.UnaryServerInterceptor())}
}

// DialOptions instruments the connections of a gRPC client.
func (p *Peers) DialOptions() []grpc.DialOption {
	metrics := grpcprom.NewClientMetrics(grpcprom.WithClientHandlingTimeHistogram(grpcprom.WithHistogramBuckets(prometheus.DefBuckets)))
	var again prometheus.AlreadyRegisteredError
	if errors.As(p.registry.Register(metrics), &again) {
		metrics, _ = again.ExistingCollector.(*grpcprom.ClientMetrics)
	}
	correlate := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return invoke(metadata.AppendToOutgoingContext(ctx, correlationHeader, correlation(ctx)), method, req, reply, cc, opts...)
	}
	return []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler(p.otelgrpc()...)),
		grpc.WithChainUnaryInterceptor(correlate, metrics.UnaryClientInterceptor(grpcprom.WithExemplarFromContext(exemplar)),
			logging.UnaryClientInterceptor(p.logger(), logFields()...))}
}
