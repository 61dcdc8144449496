package setup_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/middleware/setup/profiles"
)

func ExampleStart() {
	ctx := context.Background()
	rt, err := setup.Start(ctx, "payment", setup.WithVersion("1.2.3"))
	if err != nil {
		panic(err)
	}
	defer func() { _ = rt.Shutdown(ctx) }()
}

// A gRPC service without an HTTP server serves its metrics and readiness on a port of its own.
func ExampleWithAdmin() {
	ctx := context.Background()
	rt, err := setup.Start(ctx, "payment", setup.WithAdmin("127.0.0.1:0")) // "0.0.0.0:9464" for a scraper on another machine
	if err != nil {
		panic(err)
	}
	defer func() { _ = rt.Shutdown(ctx) }()
	db := func(context.Context) error { return nil } // sql.DB's PingContext
	rt.Admin.AddCheck("store", db)

	srv := grpc.NewServer() // with grpcmw.ServerOptions(grpcmw.WithTelemetry(rt.Telemetry))
	healthpb.RegisterHealthServer(srv, health.NewServer())
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = srv.Serve(lis) }()
	defer srv.Stop()

	resp, err := http.Get("http://" + rt.AdminAddr() + "/ready")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

// Faults and profiles need a token.
func ExampleAdminHandler() {
	ctx := context.Background()
	const token = "from a secret"
	rt, err := setup.Start(ctx, "payment", setup.WithAdmin("127.0.0.1:0", setup.AdminToken(token),
		setup.AdminChaos(chaos.New(chaos.WithToken(token))), setup.AdminHandler("/debug/pprof/", profiles.Handler())))
	if err != nil {
		panic(err)
	}
	defer func() { _ = rt.Shutdown(ctx) }()
	for _, path := range []string{"/chaos", "/debug/pprof/"} {
		resp, err := http.Get("http://" + rt.AdminAddr() + path)
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close()
		fmt.Println(path, resp.Status)
	}
	// Output:
	// /chaos 401 Unauthorized
	// /debug/pprof/ 401 Unauthorized
}

// A service with a server of its own for such endpoints mounts them there.
func ExampleNewAdmin() {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "# EOF") })
	admin := setup.NewAdmin(metrics, setup.AdminCheck("store", func(context.Context) error { return errors.New("no connection") }))
	srv := httptest.NewServer(admin)
	defer srv.Close()
	for _, path := range []string{"/health", "/ready"} {
		resp, err := http.Get(srv.URL + path)
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close()
		fmt.Println(path, resp.Status)
	}
	// Output:
	// /health 200 OK
	// /ready 503 Service Unavailable
}

func ExampleServiceName() {
	fmt.Println(setup.ServiceName("payment"))
	// Output: payment
}

// What `orchestrion go build` adds to main.
func ExampleStartProgram() {
	defer setup.StartProgram()()
}
