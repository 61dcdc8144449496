// A program that knows nothing of telemetry but client_golang's default registry. It serves
// HTTP and gRPC, calls both, queries a database, sends a record, and prints its metrics.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

func main() {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	check(err)
	defer broker.Close()
	producer, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	check(err)
	defer producer.Close()

	sql.Register("fake", fake{})
	db, err := sql.Open("fake", "")
	check(err)

	rpc, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	srv := grpc.NewServer()
	testpb.RegisterTestServiceServer(srv, service{})
	go func() { _ = srv.Serve(rpc) }()
	conn, err := grpc.NewClient(rpc.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)

	web, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	base := "http://" + web.Addr().String()
	r := chi.NewRouter()
	r.Handle("/metrics", promhttp.Handler())
	r.Get("/stock/{id}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "7") })
	r.Route("/items", func(r chi.Router) {
		r.Get("/{id}", func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			_, err := db.ExecContext(ctx, "UPDATE items SET seen = 1")
			check(err)
			_, err = testpb.NewTestServiceClient(conn).EmptyCall(ctx, &testpb.Empty{})
			check(err)
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/stock/1", nil)
			check(err)
			resp, err := http.DefaultClient.Do(req)
			check(err)
			_, _ = io.Copy(w, resp.Body)
			_ = resp.Body.Close()
			check(producer.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("x")}).FirstErr())
		})
	})
	go func() { _ = http.Serve(web, r) }()

	for _, path := range []string{"/items/1", "/metrics"} {
		resp, err := http.Get(base + path)
		check(err)
		text, err := io.ReadAll(resp.Body)
		check(err)
		_ = resp.Body.Close()
		fmt.Println(string(text))
	}
	srv.GracefulStop()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

type service struct {
	testpb.UnimplementedTestServiceServer
}

func (service) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, nil
}

// fake is a driver whose statements do nothing.
type fake struct{}

func (fake) Open(string) (driver.Conn, error)           { return fake{}, nil }
func (fake) Prepare(string) (driver.Stmt, error)        { return fake{}, nil }
func (fake) Close() error                               { return nil }
func (fake) Begin() (driver.Tx, error)                  { return fake{}, nil }
func (fake) Commit() error                              { return nil }
func (fake) Rollback() error                            { return nil }
func (fake) NumInput() int                              { return 0 }
func (fake) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }
func (fake) Query([]driver.Value) (driver.Rows, error)  { return nil, io.EOF }
