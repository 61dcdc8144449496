package grpcmw

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// DialOptions returns dial options that measure the calls of a grpc.ClientConn.
// dependency is the logical name of the called service, such as "payment". It
// panics for an empty name, a nil option or a registry that refuses its metrics.
//
// A unary call is a wait from start to end. A stream is a wait only while it blocks
// in a send or a receive. The span of a stream ends with the stream. It ends at the
// latest with the stream's context or with the hop that opened it.
func DialOptions(dependency string, opts ...Option) []grpc.DialOption {
	if dependency == "" {
		panic("grpcmw: DialOptions: the dependency needs a name, such as \"payment\"")
	}
	cfg := configure(opts)
	d, err := cfg.core.RequestHistogram("rpc_client_call_duration_seconds", "Duration of RPCs, seen by the client.",
		"rpc_system_name", "rpc_method", "dependency", "rpc_response_status_code", "error_type")
	if err != nil {
		panic("grpcmw: " + err.Error())
	}
	c := &client{config: cfg, dependency: adapter.Dependency{Name: dependency, Kind: adapter.KindGRPC},
		methods: newMethods(func(method, status, errorType string) *adapter.Series {
			return d.With(systemName, method, dependency, status, errorType)
		}, func(method string) *adapter.FixedAttributes {
			return adapter.Fix(adapter.AttrRPCSystem.String(systemName), adapter.AttrRPCMethod.String(method), adapter.AttrPeerService.String(dependency))
		})}
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.unary), grpc.WithChainStreamInterceptor(c.stream)}
}

var (
	_ grpc.UnaryClientInterceptor  = (*client)(nil).unary
	_ grpc.StreamClientInterceptor = (*client)(nil).stream
	_ grpc.ClientStream            = (*clientStream)(nil)
)

type client struct {
	config
	dependency adapter.Dependency
	methods    *methods
	dialled    atomic.Pointer[dialled]
}

// dialled is the target of a connection.
type dialled struct {
	target string
	attrs  []attribute.KeyValue // server.address
}

// address returns server.address of a connection: the dialled name without resolver
// scheme and port. It remembers the last target, since a client usually has one.
func (c *client) address(cc *grpc.ClientConn) []attribute.KeyValue {
	if cc == nil { // a test calls the interceptor
		return nil
	}
	target := cc.Target()
	if d := c.dialled.Load(); d != nil && d.target == target {
		return d.attrs
	}
	host := dialledHost(target)
	d := &dialled{target: target, attrs: []attribute.KeyValue{adapter.AttrServerAddress.String(host)}}
	c.dialled.Store(d)
	return d.attrs
}

// dialledHost returns the host of a target without resolver scheme and port.
func dialledHost(target string) string {
	host := target[strings.LastIndexByte(target, '/')+1:]
	if _, rest, ok := strings.Cut(host, ":"); ok && !isPort(rest) && !strings.HasPrefix(host, "[") && strings.Count(host, ":") < 3 {
		host = rest // passthrough:host or dns:host:port
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host
}

func isPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// clientCall holds one call, in one allocation.
type clientCall struct {
	client *client
	method *method
	call   adapter.ClientCall
}

func (c *client) begin(ctx context.Context, cc *grpc.ClientConn, full string, noWait bool, to *clientCall) context.Context {
	to.client, to.method = c, c.methods.of(full)
	ctx, to.call = c.core.BeginCall(ctx, adapter.Outgoing{
		Dependency: c.dependency, SpanName: to.method.name, SpanKind: trace.SpanKindClient, NoWait: noWait,
		Fixed: to.method.attrs, Attributes: c.address(cc),
	})
	md, ok := metadata.FromOutgoingContext(ctx) // a copy
	if !ok {
		md = make(metadata.MD, 4)
	}
	to.call.Inject(ctx, outgoing(md))
	return metadata.NewOutgoingContext(ctx, md)
}

func (c *client) unary(ctx context.Context, full string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if c.exclude(full) == adapter.AllSignals {
		return invoke(ctx, full, req, reply, cc, opts...)
	}
	call := &clientCall{}
	ctx = c.begin(ctx, cc, full, false, call)
	err := invoke(ctx, full, req, reply, cc, opts...)
	call.end(full, err)
	return err
}

func (c *clientCall) end(full string, err error) {
	code := codeOf(err)
	name := statusName(code)
	attrs := adapter.BorrowAttributes()
	defer attrs.Return()
	out := adapter.Outcome{Attrs: append(attrs[:0], adapter.AttrRPCStatus.String(name))}
	if code != codes.OK {
		out.ErrorType, out.Failed = name, true
	}
	start, sc := c.call.Start(), c.call.Span().SpanContext()
	d := c.call.End(out)
	if c.client.exclude(full)&adapter.Metrics == 0 {
		c.method.seriesOf(code, out.ErrorType).Observe(d, start.Add(d), sc)
	}
}

func (c *client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, full string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if c.exclude(full) == adapter.AllSignals {
		return open(ctx, desc, cc, full, opts...)
	}
	s := &clientStream{full: full, hop: adapter.FromContext(ctx), serverStreams: desc.ServerStreams}
	ctx = c.begin(ctx, cc, full, true, &s.call)
	s.ctx = ctx
	wait := s.hop.StartCall(c.dependency)
	cs, err := open(ctx, desc, cc, full, opts...)
	wait.End()
	if err != nil {
		s.end(err)
		return nil, err
	}
	s.ClientStream = cs
	// A stream that is never drained ends with its hop or its context.
	s.hop.Adopt(&s.pending, s.abandoned)
	if ctx.Done() != nil {
		s.stop = context.AfterFunc(ctx, s.cancelled)
	}
	s.armed.Store(true)
	return s, nil
}

// clientStream is a stream that is a wait only while it blocks in a send or a
// receive. A stream may be open and idle for long.
type clientStream struct {
	grpc.ClientStream
	call          clientCall
	pending       adapter.Pending
	ctx           context.Context
	full          string
	hop           *adapter.Hop
	serverStreams bool
	stop          func() bool
	armed         atomic.Bool // stop and pending are set
	ended         atomic.Bool
}

// SendMsg sends a message. The status of a failed send comes from RecvMsg.
func (s *clientStream) SendMsg(m any) error {
	w := s.hop.StartCall(s.call.client.dependency)
	err := s.ClientStream.SendMsg(m)
	w.End()
	if err != nil && !errors.Is(err, io.EOF) {
		s.finish(err)
	}
	return err
}

// RecvMsg receives a message and ends the call at the end of the stream.
func (s *clientStream) RecvMsg(m any) error {
	w := s.hop.StartCall(s.call.client.dependency)
	err := s.ClientStream.RecvMsg(m)
	w.End()
	switch {
	case errors.Is(err, io.EOF):
		s.finish(nil)
	case err != nil || !s.serverStreams:
		s.finish(err)
	}
	return err
}

// CloseSend closes the sending side.
func (s *clientStream) CloseSend() error {
	w := s.hop.StartCall(s.call.client.dependency)
	defer w.End()
	return s.ClientStream.CloseSend()
}

// Header returns the server's header when it has arrived.
func (s *clientStream) Header() (metadata.MD, error) {
	w := s.hop.StartCall(s.call.client.dependency)
	md, err := s.ClientStream.Header()
	w.End()
	if err != nil {
		s.finish(err)
	}
	return md, err
}

func (s *clientStream) abandoned() { s.end(nil) }
func (s *clientStream) cancelled() { s.end(s.ctx.Err()) }

func (s *clientStream) finish(err error) {
	if s.armed.CompareAndSwap(true, false) {
		if s.stop != nil {
			s.stop()
		}
		s.pending.Release()
	}
	s.end(err)
}

func (s *clientStream) end(err error) {
	if s.ended.CompareAndSwap(false, true) {
		s.call.end(s.full, err)
	}
}
