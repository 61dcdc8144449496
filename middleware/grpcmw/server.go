package grpcmw

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// ServerOptions returns options that measure the calls of a grpc.Server. When a
// handler panics, all signals report the panic as an error with codes.Internal, which the
// caller gets without the panic's text; see WithoutRecovery.
//
// Calls of unknown methods do not reach an interceptor. Calls handled by a
// grpc.UnknownServiceHandler are recorded under the method _OTHER. ServerOptions
// panics for a nil option or a registry that refuses its metrics.
func ServerOptions(opts ...Option) []grpc.ServerOption {
	s := newServer(configure(opts))
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(s.unary), grpc.ChainStreamInterceptor(s.stream)}
}

var (
	_ grpc.UnaryServerInterceptor  = (*server)(nil).unary
	_ grpc.StreamServerInterceptor = (*server)(nil).stream
	_ grpc.ServerStream            = (*serverStream)(nil)
)

type server struct {
	config
	methods *methods
	active  prometheus.Gauge
}

func newServer(c config) *server {
	d, err := c.core.RequestHistogram("rpc_server_call_duration_seconds", "Duration of RPCs, seen by the server.",
		"rpc_system_name", "rpc_method", "rpc_response_status_code", "error_type")
	if err != nil {
		panic("grpcmw: " + err.Error())
	}
	a, err := c.core.RegisterGauge("rpc_server_active_requests", "RPCs in flight at the server.", "rpc_system_name")
	if err != nil {
		panic("grpcmw: " + err.Error())
	}
	series := func(method, status, errorType string) *adapter.Series {
		return d.With(systemName, method, status, errorType)
	}
	return &server{config: c, methods: newMethods(series, rpcAttributes), active: a.WithLabelValues(systemName)}
}

// serverCall holds one call, in one allocation. It is not pooled, since a goroutine
// that outlives the call may still hold its context.
type serverCall struct {
	server *server
	method *method
	hop    adapter.Hop
	in     incoming
	skip   adapter.Signals
	echo   [1]string
}

func (s *server) begin(ctx context.Context, m *method, skip adapter.Signals) (context.Context, *serverCall) {
	c := &serverCall{server: s, method: m, skip: skip}
	c.in.ctx = ctx
	ctx = s.core.BeginInto(ctx, &c.hop, &adapter.Incoming{
		Protocol: systemName, Operation: m.name, SpanKind: trace.SpanKindServer, Skip: skip,
		Carrier: &c.in, Public: s.public, Remote: remoteOf(ctx), Fixed: m.attrs,
	})
	if skip&adapter.Metrics == 0 {
		s.active.Inc()
	}
	c.echo[0] = c.hop.CorrelationID()
	return ctx, c
}

// within reports whether a handler around this one measures the call: other interceptors
// of the package, or httpmw around a grpc.Server that serves HTTP.
func (s *server) within(ctx context.Context) bool {
	h := adapter.FromContext(ctx)
	return h != nil && h.Core() == s.core
}

// remoteOf returns the caller's network address, or nil.
func remoteOf(ctx context.Context) net.Addr {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr
	}
	return nil
}

// echoTo sends the correlation ID: in the header of a response, and in the trailer of an
// error. A header in front of an error would commit the call, and no client could retry
// it (gRFC A6).
func (c *serverCall) echoTo(stream grpc.ServerTransportStream, response bool) {
	if response && stream.SetHeader(c.header()) == nil { // fails when the header was sent
		return
	}
	_ = stream.SetTrailer(c.header())
}

// header returns the response header: the correlation ID.
func (c *serverCall) header() metadata.MD { return metadata.MD{keyCorrelation: c.echo[:]} }

func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	skip := s.exclude(info.FullMethod)
	if skip == adapter.AllSignals || s.within(ctx) {
		return handler(ctx, req)
	}
	stream := grpc.ServerTransportStreamFromContext(ctx)
	ctx, c := s.begin(ctx, s.methods.of(info.FullMethod), skip)
	returned := false
	defer func() {
		if stream != nil {
			c.echoTo(stream, returned && err == nil)
		}
		if returned {
			_ = c.end(err, nil) // the caller gets err itself
			return
		}
		p := recover() // nil after runtime.Goexit, which continues on its own
		resp, err = nil, c.end(nil, adapter.PanicError(p))
		s.resume(p)
	}()
	if err = s.fault(ctx, c.method.name, req); err == nil {
		resp, err = handler(ctx, req)
	}
	returned = true
	return resp, err
}

func (s *server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	skip := s.exclude(info.FullMethod)
	if skip == adapter.AllSignals || s.within(ss.Context()) {
		return handler(srv, ss)
	}
	m := s.methods.unknown()
	if srv != nil { // nil for the handler of an unknown service
		m = s.methods.of(info.FullMethod)
	}
	ctx, c := s.begin(ss.Context(), m, skip)
	out := &serverStream{ServerStream: ss, ctx: ctx, hop: &c.hop, call: c}
	returned := false
	defer func() {
		// An error stays retryable only without a header in front of it.
		inHeader := out.echoed.Load() || returned && err == nil && ss.SetHeader(c.header()) == nil
		if !inHeader {
			ss.SetTrailer(c.header())
		}
		if returned {
			_ = c.end(err, nil) // the caller gets err itself
			return
		}
		p := recover()
		err = c.end(nil, adapter.PanicError(p))
		s.resume(p)
	}()
	if err = s.fault(ctx, m.name, nil); err == nil {
		err = handler(srv, out)
	}
	returned = true
	return err
}

// resume continues a panic, unless the caller is to get an error.
func (s *server) resume(p any) {
	if p != nil && s.continues {
		panic(p)
	}
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

// end reports the call in all signals and returns the error for its caller, which
// is codes.Internal for a panic.
func (c *serverCall) end(err, panicked error) error {
	if c.skip&adapter.Metrics == 0 {
		c.server.active.Dec()
	}
	out := adapter.Outcome{Level: slog.LevelInfo, Message: "request", Err: err}
	if panicked != nil {
		out.Err = panicked
		err = status.Error(codes.Internal, "internal error")
	}
	code := codeOf(err)
	out.StatusName = statusName(code)
	switch {
	case panicked != nil:
		out.ErrorType, out.Failed = adapter.ErrorPanic, true
	case code != codes.OK:
		out.ErrorType, out.Failed = out.StatusName, serverFault(code)
	}
	if out.Failed {
		out.Level = slog.LevelError
	} else if code != codes.OK {
		out.Level = slog.LevelWarn
	}
	if c.hop.Span().IsRecording() {
		attrs := adapter.BorrowAttributes()
		defer attrs.Return()
		out.Attrs = append(attrs[:0], adapter.AttrRPCStatus.String(out.StatusName))
	}
	if c.skip&adapter.Metrics == 0 {
		out.Series = c.method.seriesOf(code, out.ErrorType)
	}
	c.hop.End(out)
	return err
}

var caller = adapter.Dependency{Name: "caller", Kind: adapter.KindCaller}

// serverStream is a stream whose sends and receives are waits for the caller.
type serverStream struct {
	grpc.ServerStream
	ctx    context.Context
	hop    *adapter.Hop
	call   *serverCall
	echoed atomic.Bool // the header has the correlation ID
}

func (s *serverStream) Context() context.Context { return s.ctx }

// echo puts the correlation ID into the header, which is about to be sent.
func (s *serverStream) echo() {
	if !s.echoed.Load() && s.echoed.CompareAndSwap(false, true) && s.SetHeader(s.call.header()) != nil {
		s.echoed.Store(false) // sent: the trailer has it
	}
}

// SendHeader sends the header with the correlation ID.
func (s *serverStream) SendHeader(md metadata.MD) error {
	s.echo()
	return s.ServerStream.SendHeader(md)
}

func (s *serverStream) SendMsg(m any) error {
	s.echo()
	c := s.hop.StartCall(caller)
	defer c.End()
	return s.ServerStream.SendMsg(m)
}

func (s *serverStream) RecvMsg(m any) error {
	c := s.hop.StartCall(caller)
	defer c.End()
	return s.ServerStream.RecvMsg(m)
}
