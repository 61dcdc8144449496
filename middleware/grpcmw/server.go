package grpcmw

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
)

// ServerOptions returns what a grpc.Server needs to be measured. A handler's
// panic becomes codes.Internal for the caller, without the panic's text, and an
// error in all signals; the process goes on.
func ServerOptions(opts ...Option) []grpc.ServerOption {
	s := newServer(configure(opts))
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(s.unary), grpc.ChainStreamInterceptor(s.stream)}
}

type server struct {
	config
	duration *hop.Histogram
	active   *prometheus.GaugeVec
}

func newServer(c config) *server {
	d, err := c.telemetry.RequestHistogram("rpc_server_call_duration_seconds", "Duration of RPCs, seen by the server.",
		"rpc_system_name", "rpc_method", "rpc_response_status_code", "error_type")
	if err != nil {
		panic("grpcmw: " + err.Error())
	}
	a, err := hop.RegisterGauge(c.telemetry, "rpc_server_active_requests", "RPCs in flight at the server.", "rpc_system_name")
	if err != nil {
		panic("grpcmw: " + err.Error())
	}
	return &server{config: c, duration: d, active: a}
}

func (s *server) begin(ctx context.Context, method string) (context.Context, *hop.Hop) {
	md, _ := metadata.FromIncomingContext(ctx)
	ctx, h := s.telemetry.Begin(ctx, hop.Incoming{
		Protocol: "grpc", Operation: method, SpanKind: trace.SpanKindServer,
		Carrier: carrier(md), Public: s.public, Attributes: rpcAttributes(method),
	})
	s.active.WithLabelValues("grpc").Inc()
	return ctx, h
}

func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	if s.exclude(info.FullMethod) {
		return handler(ctx, req)
	}
	method := methodName(info.FullMethod)
	ctx, h := s.begin(ctx, method)
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-correlation-id", h.CorrelationID()))
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, s.end(h, method, nil, p)
			return
		}
		_ = s.end(h, method, err, nil)
	}()
	if err = s.fault(ctx, method, req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (s *server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	if s.exclude(info.FullMethod) {
		return handler(srv, ss)
	}
	method := methodName(info.FullMethod)
	ctx, h := s.begin(ss.Context(), method)
	_ = ss.SetHeader(metadata.Pairs("x-correlation-id", h.CorrelationID()))
	defer func() {
		if p := recover(); p != nil {
			err = s.end(h, method, nil, p)
			return
		}
		_ = s.end(h, method, err, nil)
	}()
	if err = s.fault(ctx, method, nil); err != nil {
		return err
	}
	return handler(srv, &serverStream{ServerStream: ss, ctx: ctx, hop: h})
}

func (s *server) fault(ctx context.Context, method string, req any) error {
	if s.chaos == nil {
		return nil
	}
	err := s.chaos.Apply(ctx, method, req)
	var e *chaos.Error
	if errors.As(err, &e) {
		return status.Error(codes.Code(e.GRPC), e.Error())
	}
	return err
}

// end reports the call and returns what a panic becomes for the caller.
func (s *server) end(h *hop.Hop, method string, err error, panicked any) error {
	s.active.WithLabelValues("grpc").Dec()
	out := hop.Outcome{Level: zerolog.InfoLevel, Message: "request", Err: err}
	if panicked != nil {
		out.Err = fmt.Errorf("panic: %v", panicked)
		err = status.Error(codes.Internal, "internal error")
	}
	code := codeOf(err)
	name := statusName(code)
	if code != codes.OK {
		out.ErrorType = name
		out.Failed = serverFault(code)
	}
	if panicked != nil {
		out.ErrorType = "panic"
	}
	if out.Failed {
		out.Level = zerolog.ErrorLevel
	} else if code != codes.OK {
		out.Level = zerolog.WarnLevel
	}
	out.Status = func(e *zerolog.Event) { e.Str("status", name) }
	out.Attrs = []attribute.KeyValue{attribute.String("rpc.response.status_code", name)}
	now, sc := s.telemetry.Now(), h.Span().SpanContext()
	t := h.End(out)
	s.duration.Observe(t.Duration, now, sc, "grpc", method, name, out.ErrorType)
	return err
}

var caller = hop.Dependency{Name: "caller", Kind: hop.KindCaller}

// serverStream counts the time blocked on the caller as the link's.
type serverStream struct {
	grpc.ServerStream
	ctx context.Context
	hop *hop.Hop
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) SendMsg(m any) error {
	c := s.hop.StartCall(caller)
	defer c.End()
	return s.ServerStream.SendMsg(m)
}

func (s *serverStream) RecvMsg(m any) error {
	c := s.hop.StartCall(caller)
	defer c.End()
	return s.ServerStream.RecvMsg(m)
}

