package grpcmw_test

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tenhop/tenhop/middleware/grpcmw"
)

func ExampleServerOptions() {
	srv := grpc.NewServer(grpcmw.ServerOptions()...)
	defer srv.Stop()
}

func ExampleDialOptions() {
	opts := append(grpcmw.DialOptions("payment"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("payment:8080", opts...)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
}
