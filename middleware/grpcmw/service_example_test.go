package grpcmw_test

import (
	"log"
	"net"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/hop"
)

// A service that serves gRPC, calls another one and is scraped.
func Example_service() {
	dial := append(grpcmw.DialOptions("payment"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("payment:8080", dial...)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	srv := grpc.NewServer(grpcmw.ServerOptions()...)
	healthpb.RegisterHealthServer(srv, health.NewServer())
	http.Handle("GET /metrics", hop.Default().MetricsHandler())
	go func() { log.Print(http.ListenAndServe(":9100", nil)) }()
	lis, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Print(err)
		return
	}
	log.Print(srv.Serve(lis))
}
