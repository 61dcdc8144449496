package main

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kotel"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/kafkamw"
)

// unary and streamed are the two methods of the server that overConn runs.
const (
	unary    = "/shop.v1.Payment/Charge"
	streamed = "/shop.v1.Payment/Watch"
)

// overConn runs a server whose methods end with result, and one call to it.
func overConn(method string, result error, server []grpc.ServerOption, client []grpc.DialOption) {
	l := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(server...)
	register(srv, result)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l) // it is stopped
	}()
	conn, err := grpc.NewClient("passthrough:payment", append(client, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))...)
	if err != nil {
		panic(err)
	}
	if method == unary {
		_ = conn.Invoke(context.Background(), unary, new(emptypb.Empty), new(emptypb.Empty)) // the error is the case's own
	} else {
		exchange(conn)
	}
	_ = conn.Close()
	srv.GracefulStop() // ends when the handlers have
	<-served
}

// register adds a service whose methods end with result.
func register(srv *grpc.Server, result error) {
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: "shop.v1.Payment", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Charge", Handler: func(_ any, ctx context.Context, dec func(any) error, i grpc.UnaryServerInterceptor) (any, error) {
			req := new(emptypb.Empty)
			if err := dec(req); err != nil {
				return nil, err
			}
			h := func(context.Context, any) (any, error) { return new(emptypb.Empty), result }
			if i == nil {
				return h(ctx, req)
			}
			return i(ctx, req, &grpc.UnaryServerInfo{FullMethod: unary}, h)
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Watch", ServerStreams: true, ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
			for {
				if err := s.RecvMsg(new(emptypb.Empty)); errors.Is(err, io.EOF) {
					return result
				} else if err != nil {
					return err
				}
				if err := s.SendMsg(new(emptypb.Empty)); err != nil {
					return err
				}
			}
		}}},
	}, struct{}{})
}

// exchange sends three messages and reads until the server ends the stream.
func exchange(conn *grpc.ClientConn) {
	s, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, streamed)
	if err != nil {
		return
	}
	for range 3 {
		_ = s.SendMsg(new(emptypb.Empty)) // RecvMsg says why not
	}
	_ = s.CloseSend()
	for s.RecvMsg(new(emptypb.Empty)) == nil {
		continue
	}
}

func otelGRPC(tp trace.TracerProvider) []otelgrpc.Option {
	return []otelgrpc.Option{otelgrpc.WithTracerProvider(tp), otelgrpc.WithPropagators(propagators), otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider())}
}

// rpcCases are one call each, with the client's side instrumented or the server's.
func rpcCases(method string, client bool) []conformanceCase {
	of := func(name string, result error) conformanceCase {
		if client {
			return conformanceCase{name,
				func(tp trace.TracerProvider) {
					overConn(method, result, nil, []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler(otelGRPC(tp)...))})
				},
				func(tp trace.TracerProvider) {
					overConn(method, result, nil, grpcmw.DialOptions("payment", grpcmw.WithTelemetry(telemetry(tp))))
				}}
		}
		return conformanceCase{name,
			func(tp trace.TracerProvider) {
				overConn(method, result, []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(otelGRPC(tp)...))}, nil)
			},
			func(tp trace.TracerProvider) {
				overConn(method, result, grpcmw.ServerOptions(grpcmw.WithTelemetry(telemetry(tp))), nil)
			}}
	}
	return []conformanceCase{of("OK", nil), of("NotFound", status.Error(grpccodes.NotFound, "x")),
		of("Unavailable", status.Error(grpccodes.Unavailable, "x")), of("an error without a status", errors.New("x"))}
}

func produceCases() []conformanceCase {
	type producer interface {
		OnProduceRecordBuffered(*kgo.Record)
		OnProduceRecordUnbuffered(*kgo.Record, error)
	}
	send := func(p producer, result error) {
		rec := &kgo.Record{Topic: "orders.placed", Key: []byte("order-7"), Value: []byte("{}"), Context: context.Background()}
		p.OnProduceRecordBuffered(rec)
		rec.Partition, rec.Offset = 3, 42 // as the broker answers
		p.OnProduceRecordUnbuffered(rec, result)
	}
	of := func(name string, result error) conformanceCase {
		return conformanceCase{name,
			func(tp trace.TracerProvider) {
				send(kotel.NewTracer(kotel.TracerProvider(tp), kotel.TracerPropagator(propagators)), result)
			},
			func(tp trace.TracerProvider) {
				cl, err := kgo.NewClient(kafkamw.ClientOptions(kafkamw.WithTelemetry(telemetry(tp)))...)
				if err != nil {
					panic(err)
				}
				defer cl.Close()
				hooks := reflect.ValueOf(cl.OptValue(kgo.WithHooks)) // a slice of an unexported type
				for i := range hooks.Len() {
					if p, ok := hooks.Index(i).Interface().(producer); ok {
						send(p, result)
					}
				}
			}}
	}
	return []conformanceCase{of("a record that the broker takes", nil), of("a record that it does not", errors.New("x"))}
}
