package grpcmw_test

import (
	"context"
	"net"
	"testing"

	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// A client with a retry policy calls a server that is Unavailable once. The
// echoed correlation ID is a response header, so the error is no longer
// Trailers-Only and grpc never retries it (grpc/grpc-go#8223, #3125).
func TestServerKeepsClientsRetryable(t *testing.T) {
	calls := 0
	desc := grpc.ServiceDesc{ServiceName: "c.R", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{MethodName: "Do",
		Handler: func(_ any, ctx context.Context, dec func(any) error, ic grpc.UnaryServerInterceptor) (any, error) {
			in := &emptypb.Empty{}
			if err := dec(in); err != nil {
				return nil, err
			}
			do := func(context.Context, any) (any, error) {
				if calls++; calls == 1 {
					return nil, status.Error(codes.Unavailable, "draining")
				}
				return in, nil
			}
			if ic == nil {
				return do(ctx, in)
			}
			return ic(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/c.R/Do"}, do)
		}}}}
	policy := `{"methodConfig":[{"name":[{"service":"c.R"}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"0.01s",` +
		`"maxBackoff":"0.02s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`
	for name, opts := range map[string][]grpc.ServerOption{"plain": nil, "tenhop": grpcmw.ServerOptions(grpcmw.WithTelemetry(mwtest.New(t).Telemetry))} {
		calls = 0
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := grpc.NewServer(opts...)
		srv.RegisterService(&desc, nil)
		go srv.Serve(l)
		cc, _ := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(policy))
		if err := cc.Invoke(context.Background(), "/c.R/Do", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
			t.Errorf("%s: %v after %d call(s), want a retry", name, err, calls)
		}
		cc.Close()
		srv.Stop()
	}
}
