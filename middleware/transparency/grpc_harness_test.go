package transparency

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tenhop/tenhop/middleware/grpcmw"
)

const (
	onUnary  = "grpcmw, unary"
	onStream = "grpcmw, stream"
)

// rpcs is a service whose unary call and stream behave as its function does, and how to
// start and call it.
type rpcs struct {
	behave func(ctx context.Context, ss grpc.ServerStream) error // ss is nil in a unary call
	server []grpc.ServerOption
	dial   []grpc.DialOption
	before func(context.Context, string) (net.Conn, error)
	silent bool // the frames depend on timing
}

var (
	unaryDesc = &grpc.ServiceDesc{ServiceName: "shop.Things", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: func(srv any, ctx context.Context, dec func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
			in := &wrapperspb.StringValue{}
			if err := dec(in); err != nil {
				return nil, err
			}
			h := func(ctx context.Context, req any) (any, error) {
				if err := srv.(*rpcs).behave(ctx, nil); err != nil {
					return nil, err
				}
				return wrapperspb.String("re: " + req.(*wrapperspb.StringValue).Value), nil
			}
			if chain == nil {
				return h(ctx, in)
			}
			return chain(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: "/shop.Things/Get"}, h)
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Talk", ServerStreams: true, ClientStreams: true, Handler: talk},
			{StreamName: "List", ServerStreams: true, Handler: talk}, {StreamName: "Put", ClientStreams: true, Handler: talk}},
	}
	bidi   = &grpc.StreamDesc{StreamName: "Talk", ServerStreams: true, ClientStreams: true}
	serves = &grpc.StreamDesc{StreamName: "List", ServerStreams: true}
	puts   = &grpc.StreamDesc{StreamName: "Put", ClientStreams: true}
)

// talk answers the first message when the client has ended its side, so that the frames
// of both sides have one order.
func talk(srv any, ss grpc.ServerStream) error {
	in := &wrapperspb.StringValue{}
	if err := ss.RecvMsg(in); err != nil {
		return err
	}
	if err := ss.RecvMsg(&wrapperspb.StringValue{}); !errors.Is(err, io.EOF) {
		return fmt.Errorf("want the end of the stream, got %w", err)
	}
	if err := srv.(*rpcs).behave(ss.Context(), ss); err != nil {
		return err
	}
	return ss.SendMsg(wrapperspb.String("re: " + in.Value))
}

// connect starts the service and returns a connection to it.
func (x *exchange) connect(s *rpcs) *grpc.ClientConn {
	lis := bufconn.Listen(1 << 20)
	serverOpts, dialOpts := slices.Clone(s.server), append(slices.Clone(s.dial), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if x.measured {
		serverOpts = append(serverOpts, grpcmw.ServerOptions(grpcmw.WithTelemetry(x.tel))...)
		dialOpts = append(dialOpts, grpcmw.DialOptions("things", grpcmw.WithTelemetry(x.tel))...)
	}
	dialOpts = append(dialOpts, grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
		if s.before != nil {
			if conn, err := s.before(ctx, addr); err != nil || conn != nil {
				return conn, err
			}
		}
		conn, err := lis.DialContext(ctx)
		if err != nil || s.silent {
			return conn, err
		}
		return x.tap(conn), nil
	}))
	srv := grpc.NewServer(serverOpts...)
	srv.RegisterService(unaryDesc, s)
	go func() { _ = srv.Serve(lis) }()
	cc, err := grpc.NewClient("passthrough:///things", dialOpts...)
	x.must(err)
	x.Cleanup(func() { _ = cc.Close(); srv.Stop() })
	x.ended = append(x.ended, func() { srv.GracefulStop() })
	return cc
}

// invoke makes one call as the column says, and records what it returns.
func (x *exchange) invoke(ctx context.Context, cc *grpc.ClientConn, column string, opts ...grpc.CallOption) {
	var header, trailer metadata.MD
	opts = append(opts, grpc.Header(&header), grpc.Trailer(&trailer))
	out := &wrapperspb.StringValue{}
	if column == onUnary {
		err := cc.Invoke(ctx, "/shop.Things/Get", wrapperspb.String("seven"), out, opts...)
		x.note("client", "%q, %s", out.Value, describeStatus(err))
	} else {
		x.converse(ctx, cc, bidi, opts...)
	}
	x.note("client", "header %s", x.metadata(header))
	x.note("client", "trailer %s", x.metadata(trailer))
}

// converse opens a stream and reads it to its end and one further.
func (x *exchange) converse(ctx context.Context, cc *grpc.ClientConn, desc *grpc.StreamDesc, opts ...grpc.CallOption) {
	cs, err := cc.NewStream(ctx, desc, "/shop.Things/"+desc.StreamName, opts...)
	x.note("client", "NewStream: %s", describeStatus(err))
	if err != nil {
		return
	}
	x.note("client", "SendMsg: %s", describeStatus(cs.SendMsg(wrapperspb.String("seven"))))
	x.note("client", "CloseSend: %s", describeStatus(cs.CloseSend()))
	for range 3 {
		out := &wrapperspb.StringValue{}
		err := cs.RecvMsg(out)
		x.note("client", "RecvMsg: %q, %s", out.Value, describeStatus(err))
	}
	h, err := cs.Header()
	x.note("client", "Header: %s, %s", x.metadata(h), describeStatus(err))
	x.note("client", "Trailer: %s", x.metadata(cs.Trailer()))
}

// describeStatus returns an error with its status and details.
func describeStatus(err error) string {
	s := describe(err)
	if st, ok := status.FromError(err); ok && err != nil {
		s += fmt.Sprintf(" is %s %q %v", st.Code(), st.Message(), st.Details())
	}
	return s
}

// metadata returns metadata in the order of keys, without what the middleware adds once.
func (x *exchange) metadata(md metadata.MD) string {
	var s []string
	for _, k := range slices.Sorted(mapKeys(md)) {
		if slices.ContainsFunc([]string{"traceparent", "baggage", "x-correlation-id"}, func(a string) bool { return a == k && x.measured && len(md[k]) == 1 && md[k][0] != "mine" }) {
			continue
		}
		s = append(s, fmt.Sprintf("%s=%q", k, md[k]))
	}
	return strings.Join(s, " ")
}

// rpc is a script of one call.
func rpc(s rpcs, opts ...grpc.CallOption) func(*exchange, string) {
	return func(x *exchange, column string) {
		if s.behave == nil {
			s.behave = func(context.Context, grpc.ServerStream) error { return nil }
		}
		x.invoke(x.hop(), x.connect(&s), column, opts...)
	}
}
