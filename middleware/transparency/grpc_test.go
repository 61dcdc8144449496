package transparency

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func grpcFamily() family {
	return family{title: "gRPC", about: "Server and client of grpc-go in one process. The frames of both directions are recorded on the client's connection.",
		columns: []string{onUnary, onStream}, rows: grpcRows()}
}

func grpcRows() []row {
	both := []string{onUnary, onStream}
	fail := func(code codes.Code) func(context.Context, grpc.ServerStream) error {
		return func(context.Context, grpc.ServerStream) error { return status.Error(code, "no such thing") }
	}
	return []row{
		{feature: "a call", cells: on(rpc(rpcs{}), both...)},
		{feature: "server stream, client stream", cells: on(func(x *exchange, _ string) {
			cc := x.connect(&rpcs{behave: func(context.Context, grpc.ServerStream) error { return nil }})
			x.converse(x.hop(), cc, serves)
			x.converse(x.hop(), cc, puts)
		}, onStream)},
		{feature: "error without a header (trailers only)", cells: on(rpc(rpcs{behave: fail(codes.NotFound)}), both...)},
		{feature: "error behind a header that was set", cells: on(rpc(rpcs{behave: func(ctx context.Context, _ grpc.ServerStream) error {
			_ = grpc.SetHeader(ctx, metadata.Pairs("x-mine", "1"))
			return status.Error(codes.NotFound, "no such thing")
		}}), both...)},
		{feature: "error behind a header that was sent", cells: on(rpc(rpcs{behave: func(ctx context.Context, _ grpc.ServerStream) error {
			_ = grpc.SendHeader(ctx, metadata.Pairs("x-mine", "1"))
			return status.Error(codes.NotFound, "no such thing")
		}}), both...)},
		{feature: "error with a trailer", cells: on(rpc(rpcs{behave: func(ctx context.Context, _ grpc.ServerStream) error {
			_ = grpc.SetTrailer(ctx, metadata.Pairs("x-mine", "1"))
			return status.Error(codes.NotFound, "no such thing")
		}}), both...)},
		{feature: "status details", cells: on(rpc(rpcs{behave: func(context.Context, grpc.ServerStream) error {
			st, err := status.New(codes.FailedPrecondition, "no").WithDetails(wrapperspb.String("why"))
			if err != nil {
				return err
			}
			return st.Err()
		}}), both...)},
		{feature: "errors that are no status, wrapped statuses", cells: on(func(x *exchange, column string) {
			for _, err := range []error{errors.New("plain"), fmt.Errorf("wrapped: %w", status.Error(codes.Aborted, "no")), context.DeadlineExceeded, io.EOF} {
				x.invoke(x.hop(), x.connect(&rpcs{behave: func(context.Context, grpc.ServerStream) error { return err }}), column)
			}
		}, both...)},
		{feature: "the handler's own x-correlation-id", intended: "ID behind it", cells: on(ownID, both...)},
		{feature: "metadata both ways, binary and repeated", cells: on(metadataBothWays, both...)},
		{feature: "retry policy", cells: on(retries("retryPolicy", `"maxAttempts":4,"initialBackoff":"0.001s","maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]`, 2), both...)},
		{feature: "retry policy, attempts used up", cells: on(retries("retryPolicy", `"maxAttempts":2,"initialBackoff":"0.001s","maxBackoff":"0.001s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]`, 9), both...)},
		{feature: "hedging policy, which grpc-go leaves out", cells: on(retries("hedgingPolicy", `"maxAttempts":3,"hedgingDelay":"0.001s","nonFatalStatusCodes":["UNAVAILABLE"]`, 2), both...)},
		{feature: "compression", cells: on(rpc(rpcs{}, grpc.UseCompressor(gzip.Name)), both...)},
		{feature: "deadline", cells: on(func(x *exchange, column string) {
			cc := x.connect(&rpcs{silent: true, behave: func(ctx context.Context, _ grpc.ServerStream) error {
				_, ok := ctx.Deadline()
				x.note("handler", "has a deadline: %v", ok)
				<-ctx.Done()
				return ctx.Err()
			}})
			ctx, cancel := context.WithTimeout(x.hop(), 200*time.Millisecond)
			defer cancel()
			out := &wrapperspb.StringValue{} // the text of the error depends on which side was first
			if column == onUnary {
				x.note("client", "%v", status.Code(cc.Invoke(ctx, "/shop.Things/Get", wrapperspb.String("seven"), out)))
				return
			}
			cs, err := cc.NewStream(ctx, bidi, "/shop.Things/Talk")
			x.must(err)
			x.must(cs.SendMsg(wrapperspb.String("seven")))
			x.must(cs.CloseSend())
			x.note("client", "%v, %v", status.Code(cs.RecvMsg(out)), status.Code(cs.RecvMsg(out)))
		}, both...)},
		{feature: "cancel", cells: on(func(x *exchange, column string) {
			ctx, cancel := context.WithCancel(x.hop())
			defer cancel()
			cc := x.connect(&rpcs{silent: true, behave: func(ctx context.Context, _ grpc.ServerStream) error {
				cancel()
				<-ctx.Done()
				x.call("handler", "context", context.Cause(ctx))
				return ctx.Err()
			}})
			x.invoke(ctx, cc, column)
		}, both...)},
		{feature: "wait for ready", cells: on(waitForReady(grpc.WaitForReady(true)), both...)},
		{feature: "no wait for ready", cells: on(waitForReady(grpc.WaitForReady(false)), both...)},
		{feature: "message over the server's limit", cells: on(rpc(rpcs{server: []grpc.ServerOption{grpc.MaxRecvMsgSize(3)}}), both...)},
		{feature: "message over the client's limits", cells: on(func(x *exchange, column string) {
			rpc(rpcs{}, grpc.MaxCallSendMsgSize(3))(x, column)
			rpc(rpcs{silent: true}, grpc.MaxCallRecvMsgSize(3))(x, column)
		}, onUnary)},
		{feature: "unknown method, unknown service", cells: on(func(x *exchange, _ string) {
			cc := x.connect(&rpcs{silent: true})
			for _, m := range []string{"/shop.Things/None", "/shop.None/Get"} {
				x.note("client", "%s", describeStatus(cc.Invoke(x.hop(), m, wrapperspb.String("x"), &wrapperspb.StringValue{})))
			}
		}, onUnary)},
		{feature: "peer, method, transport stream, methods of the streams", cells: on(reflected, both...)},
		{feature: "stats handlers", cells: on(func(x *exchange, column string) {
			rpc(rpcs{server: []grpc.ServerOption{grpc.StatsHandler(statsTrack{x, "server stats"})}, dial: []grpc.DialOption{grpc.WithStatsHandler(statsTrack{x, "client stats"})}})(x, column)
		}, both...)},
		{feature: "interceptors around and within", cells: on(interceptors, both...)},
		{feature: "grpc.OnFinish", cells: on(func(x *exchange, column string) {
			rpc(rpcs{behave: fail(codes.Aborted)}, grpc.OnFinish(func(err error) { x.note("finish", "%s", describeStatus(err)) }))(x, column)
		}, both...)},
		{feature: "panic of a handler", intended: "INTERNAL, no crash", cells: on(panics, both...)},
	}
}

// ownID asserts that the handler's value is the first, which metadata readers take.
func ownID(x *exchange, column string) {
	inner := newExchange(x.T, x.measured)
	rpc(rpcs{silent: true, behave: func(ctx context.Context, _ grpc.ServerStream) error {
		return grpc.SetHeader(ctx, metadata.Pairs("x-correlation-id", "mine"))
	}})(inner, column)
	if s := inner.transcript(); !strings.Contains(s, `x-correlation-id=["mine"`) {
		x.Errorf("the handler's ID is not the first: %s", s)
	}
	x.note("client", "compared by the script")
}

func metadataBothWays(x *exchange, column string) {
	cc := x.connect(&rpcs{behave: func(ctx context.Context, _ grpc.ServerStream) error {
		in, _ := metadata.FromIncomingContext(ctx)
		x.note("handler", "%s", x.metadata(in))
		_ = grpc.SetHeader(ctx, metadata.Pairs("x-a", "1", "x-a", "2"))
		_ = grpc.SetHeader(ctx, metadata.Pairs("x-raw-bin", "\x00\xff"))
		return grpc.SetTrailer(ctx, metadata.Pairs("x-b", "3", "x-raw-bin", "\x01"))
	}})
	x.invoke(metadata.AppendToOutgoingContext(x.hop(), "x-c", "1", "x-c", "2", "x-raw-bin", "\x00\xfe"), cc, column)
}

// retries fails a call some times before it answers.
func retries(policy, content string, failures int) func(*exchange, string) {
	return func(x *exchange, column string) {
		calls := 0
		cc := x.connect(&rpcs{dial: []grpc.DialOption{grpc.WithDefaultServiceConfig(fmt.Sprintf(`{"methodConfig":[{"name":[{}],%q:{%s}}]}`, policy, content))},
			behave: func(ctx context.Context, _ grpc.ServerStream) error {
				in, _ := metadata.FromIncomingContext(ctx)
				x.note("handler", "attempt %v", in["grpc-previous-rpc-attempts"])
				if calls++; calls <= failures {
					return status.Error(codes.Unavailable, "not yet")
				}
				return nil
			}})
		x.invoke(x.hop(), cc, column)
	}
}

// waitForReady makes the first connections fail.
func waitForReady(opt grpc.CallOption) func(*exchange, string) {
	return func(x *exchange, column string) {
		dials := 0
		rpc(rpcs{silent: true, before: func(context.Context, string) (net.Conn, error) {
			if dials++; dials < 2 {
				return nil, errors.New("not up yet")
			}
			return nil, nil
		}}, opt)(x, column)
	}
}

// reflected records what a handler and a caller can see of the call.
func reflected(x *exchange, column string) {
	var p peer.Peer
	cc := x.connect(&rpcs{behave: func(ctx context.Context, ss grpc.ServerStream) error {
		method, _ := grpc.Method(ctx)
		from, ok := peer.FromContext(ctx)
		ts := grpc.ServerTransportStreamFromContext(ctx)
		x.note("handler", "%s, %v %v, %T %s", method, ok, from.Addr, ts, ts.Method())
		compressors, err := grpc.ClientSupportedCompressors(ctx)
		x.note("handler", "%v, %v, %v", compressors, err, grpc.SetSendCompressor(ctx, gzip.Name))
		if ss != nil {
			x.note("handler", "%s", methodsOf(ss))
		}
		return nil
	}})
	x.invoke(x.hop(), cc, column, grpc.Peer(&p))
	x.note("client", "peer %v", p.Addr)
	if column == onStream {
		cs, err := cc.NewStream(x.hop(), bidi, "/shop.Things/Talk")
		x.must(err)
		x.note("client", "%s", methodsOf(cs))
		x.must(cs.SendMsg(wrapperspb.String("eight")))
		x.must(cs.CloseSend())
		for err := error(nil); err == nil; err = cs.RecvMsg(&wrapperspb.StringValue{}) {
			continue
		}
	}
}

// methodsOf returns the exported methods of a stream.
func methodsOf(v any) string {
	var names []string
	for i := range reflect.TypeOf(v).NumMethod() {
		names = append(names, reflect.TypeOf(v).Method(i).Name)
	}
	return strings.Join(names, " ")
}

type statsTrack struct {
	x     *exchange
	track string
}

func (s statsTrack) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	s.x.note(s.track, "TagRPC %s", i.FullMethodName)
	return ctx
}

func (s statsTrack) HandleRPC(_ context.Context, r stats.RPCStats) {
	if _, connecting := r.(*stats.DelayedPickComplete); connecting { // depends on timing
		return
	}
	s.x.note(fmt.Sprintf("%s %T", s.track, r), "client %v", r.IsClient())
}

func (s statsTrack) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (s statsTrack) HandleConn(context.Context, stats.ConnStats)                       {}

// interceptors of the service itself see the same calls and errors.
func interceptors(x *exchange, column string) {
	s := rpcs{behave: func(context.Context, grpc.ServerStream) error { return status.Error(codes.Aborted, "no") }}
	unary := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		resp, err := h(ctx, req)
		x.note("server interceptor", "%s %v: %v, %s", info.FullMethod, req, resp, describeStatus(err))
		return resp, err
	}
	stream := func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
		err := h(srv, ss)
		x.note("server interceptor", "%+v: %s", *info, describeStatus(err))
		return err
	}
	s.server = []grpc.ServerOption{grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream), grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream)}
	s.dial = []grpc.DialOption{grpc.WithUnaryInterceptor(func(ctx context.Context, m string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoke(ctx, m, req, reply, cc, opts...)
		x.note("client interceptor", "%s, %d options, %s", m, len(opts), describeStatus(err))
		return err
	})}
	rpc(s)(x, column)
}

const crash = "TRANSPARENCY_PANIC"

// panics asserts that a panic of a handler ends the process without the middleware, and
// is codes.Internal with it.
func panics(x *exchange, column string) {
	x.note("client", "compared by the script")
	if x.measured {
		inner := newExchange(x.T, true)
		rpc(rpcs{behave: func(context.Context, grpc.ServerStream) error { panic("boom") }})(inner, column)
		if s := inner.transcript(); !strings.Contains(s, `is Internal "internal error" []`) || strings.Contains(s, "boom") {
			x.Errorf("the caller has %s", s)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPanicOfAHandler$")
	cmd.Env = append(os.Environ(), crash+"="+column)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || !strings.Contains(string(out), "panic: boom") {
		x.Errorf("without the middleware: %v\n%s", err, out)
	}
}

// TestPanicOfAHandler is the process that panics starts.
func TestPanicOfAHandler(t *testing.T) {
	column := os.Getenv(crash)
	if column == "" {
		t.Skip("a part of TestTransparency")
	}
	rpc(rpcs{behave: func(context.Context, grpc.ServerStream) error { panic("boom") }})(newExchange(t, false), column)
}
