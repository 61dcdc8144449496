package grpcmw_test

import (
	"context"
	"net"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

const emptyCall = "grpc.testing.TestService/EmptyCall"

// emptyServer answers EmptyCall by calling a function.
type emptyServer struct {
	testpb.UnimplementedTestServiceServer
	handle func(context.Context) error
}

func (s emptyServer) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, s.handle(ctx)
}

func (s emptyServer) FullDuplexCall(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	return s.handle(stream.Context())
}

// dialServer serves handle and returns a client of it.
func dialServer(t *testing.T, handle func(context.Context) error, server []grpc.ServerOption, client []grpc.DialOption) testpb.TestServiceClient {
	t.Helper()
	lis, srv := bufconn.Listen(1<<16), grpc.NewServer(server...)
	testpb.RegisterTestServiceServer(srv, emptyServer{handle: handle})
	go func() { _ = srv.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///conformance", append(client, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); srv.Stop() })
	return testpb.NewTestServiceClient(conn)
}

func firstValues(md metadata.MD) map[string]string {
	m := map[string]string{}
	for k, v := range md {
		m[k] = v[0]
	}
	return m
}

func TestConformance(t *testing.T) {
	for operation, call := range map[string]func(context.Context, testpb.TestServiceClient) metadata.MD{
		emptyCall: func(ctx context.Context, c testpb.TestServiceClient) (header metadata.MD) {
			_, _ = c.EmptyCall(ctx, &testpb.Empty{}, grpc.Header(&header))
			return header
		},
		"grpc.testing.TestService/FullDuplexCall": func(ctx context.Context, c testpb.TestServiceClient) metadata.MD {
			stream, err := c.FullDuplexCall(ctx)
			if err != nil {
				return nil
			}
			_, _ = stream.Recv()
			header, _ := stream.Header()
			return header
		},
	} {
		t.Run(operation, func(t *testing.T) { mwtest.TestServer(t, server(operation, call)) })
	}
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindClient, Family: "rpc_client_call_duration_seconds", Headers: true,
		Dependency: hop.Dependency{Name: "payment", Kind: hop.KindGRPC},
		Call: func(t *testing.T, ctx context.Context, c mwtest.Outbound) {
			client := dialServer(t, func(ctx context.Context) error {
				md, _ := metadata.FromIncomingContext(ctx)
				return c.Remote(firstValues(md))
			}, nil, grpcmw.DialOptions("payment", grpcmw.WithTelemetry(c.Telemetry)))
			_, _ = client.EmptyCall(ctx, &testpb.Empty{})
		},
	})
}

func server(operation string, call func(context.Context, testpb.TestServiceClient) metadata.MD) mwtest.Server {
	return mwtest.Server{
		Operation: operation, Kind: trace.SpanKindServer, Family: "rpc_server_call_duration_seconds", Skips: true, Public: true, Printable: true,
		Deliver: func(t *testing.T, d mwtest.Delivery) map[string]string {
			opts := []grpcmw.Option{grpcmw.WithTelemetry(d.Telemetry), grpcmw.WithExcludeSignals(func(string) hop.Signals { return d.Skip })}
			if d.Public {
				opts = append(opts, grpcmw.WithPublicEdge())
			}
			ctx := t.Context()
			for k, v := range d.Headers {
				ctx = metadata.AppendToOutgoingContext(ctx, k, v)
			}
			for k, v := range d.Again {
				ctx = metadata.AppendToOutgoingContext(ctx, k, v)
			}
			return firstValues(call(ctx, dialServer(t, d.Handle, grpcmw.ServerOptions(opts...), nil)))
		},
	}
}
