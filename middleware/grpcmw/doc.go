// Package grpcmw measures gRPC servers and clients. Each call has a correlation ID,
// a span and RED metrics with exemplars. At the server it also has a log line and a
// self time.
//
// A complete program. Without options it uses the global tracer provider, the
// default Prometheus registry and a log on standard error:
//
//	package main
//
//	import (
//		"log"
//		"net"
//
//		"google.golang.org/grpc"
//		"google.golang.org/grpc/credentials/insecure"
//		"google.golang.org/grpc/health"
//		"google.golang.org/grpc/health/grpc_health_v1"
//
//		"github.com/tenhop/tenhop/middleware/grpcmw"
//	)
//
//	func main() {
//		// A client of another service.
//		dial := append(grpcmw.DialOptions("payment"), grpc.WithTransportCredentials(insecure.NewCredentials()))
//		conn, err := grpc.NewClient("payment:8080", dial...)
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer conn.Close()
//
//		// This service.
//		srv := grpc.NewServer(grpcmw.ServerOptions()...)
//		grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
//		lis, err := net.Listen("tcp", ":8080")
//		if err != nil {
//			log.Fatal(err)
//		}
//		log.Fatal(srv.Serve(lis))
//	}
//
// Names follow the semantic conventions for RPC. The name of the span and of the
// operation is "tenhop.v1.Payment/Charge". The families, in seconds, are
// rpc_server_call_duration_seconds and rpc_client_call_duration_seconds.
package grpcmw
