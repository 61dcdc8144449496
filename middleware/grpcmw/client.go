package grpcmw

import (
	"context"
	"errors"
	"io"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/tenhop/tenhop/middleware/hop"
)

// DialOptions returns what a grpc.ClientConn needs for its calls to be
// measured. dependency is the logical name of what it calls, such as "payment".
func DialOptions(dependency string, opts ...Option) []grpc.DialOption {
	if dependency == "" {
		panic("grpcmw: DialOptions: the dependency needs a name, such as \"payment\"")
	}
	cfg := configure(opts)
	d, err := cfg.telemetry.RequestHistogram("rpc_client_call_duration_seconds", "Duration of RPCs, seen by the client.",
		"rpc_system_name", "rpc_method", "dependency", "rpc_response_status_code", "error_type")
	if err != nil {
		panic("grpcmw: " + err.Error())
	}
	c := &client{config: cfg, dependency: dependency, duration: d}
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(c.unary), grpc.WithChainStreamInterceptor(c.stream)}
}

type client struct {
	config
	dependency string
	duration   *hop.Histogram
}

func (c *client) begin(ctx context.Context, method string, stream bool) (context.Context, hop.ClientCall) {
	ctx, call := c.telemetry.BeginCall(ctx, hop.Outgoing{
		Dependency: c.on(), SpanName: method, SpanKind: trace.SpanKindClient, NoWait: stream,
		Attributes: append(rpcAttributes(method), attribute.String("peer.service", c.dependency)),
	})
	md, ok := metadata.FromOutgoingContext(ctx)
	if ok {
		md = md.Copy()
	} else {
		md = metadata.MD{}
	}
	call.Inject(ctx, carrier(md))
	return metadata.NewOutgoingContext(ctx, md), call
}

func (c *client) on() hop.Dependency { return hop.Dependency{Name: c.dependency, Kind: hop.KindGRPC} }

func (c *client) unary(ctx context.Context, full string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if c.exclude(full) {
		return invoke(ctx, full, req, reply, cc, opts...)
	}
	method := methodName(full)
	ctx, call := c.begin(ctx, method, false)
	err := invoke(ctx, full, req, reply, cc, opts...)
	c.end(&call, method, err)
	return err
}

func (c *client) end(call *hop.ClientCall, method string, err error) {
	name := statusName(codeOf(err))
	out := hop.Outcome{Attrs: []attribute.KeyValue{attribute.String("rpc.response.status_code", name)}}
	if codeOf(err) != codes.OK {
		out.ErrorType, out.Failed = name, true
	}
	sc := call.Span().SpanContext()
	c.duration.Observe(call.End(out), c.telemetry.Now(), sc, "grpc", method, c.dependency, name, out.ErrorType)
}

func (c *client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, full string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if c.exclude(full) {
		return open(ctx, desc, cc, full, opts...)
	}
	method := methodName(full)
	parent := hop.FromContext(ctx)
	ctx, call := c.begin(ctx, method, true)
	s := &clientStream{client: c, call: call, method: method, hop: parent, serverStreams: desc.ServerStreams}
	wait := parent.StartCall(c.on())
	cs, err := open(ctx, desc, cc, full, opts...)
	wait.End()
	if err != nil {
		s.finish(err)
		return nil, err
	}
	s.ClientStream = cs
	// A stream that nobody drains ends with its context.
	s.stop = context.AfterFunc(ctx, func() { s.finish(ctx.Err()) })
	return s, nil
}

// clientStream counts only the time blocked in a send or a receive as waiting:
// a stream may live long and do nothing.
type clientStream struct {
	grpc.ClientStream
	*client
	call          hop.ClientCall
	method        string
	hop           *hop.Hop
	serverStreams bool
	once          sync.Once
	stop          func() bool
}

func (s *clientStream) SendMsg(m any) error {
	w := s.hop.StartCall(s.on())
	err := s.ClientStream.SendMsg(m)
	w.End()
	if err != nil && !errors.Is(err, io.EOF) { // on EOF, RecvMsg has the status
		s.finish(err)
	}
	return err
}

func (s *clientStream) RecvMsg(m any) error {
	w := s.hop.StartCall(s.on())
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

func (s *clientStream) finish(err error) {
	s.once.Do(func() { s.end(&s.call, s.method, err) })
	if s.stop != nil {
		s.stop()
	}
}
