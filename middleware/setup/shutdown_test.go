package setup_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/middleware/setup"
)

// A signal handler and a deferred call shut down at the same time. Neither returns before
// the export has ended: the program exits after the first return.
func TestEachShutdownWaitsForTheExport(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var exported atomic.Bool
	srv := grpc.NewServer(grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error {
		time.Sleep(200 * time.Millisecond) // a slow collector
		exported.Store(true)
		return nil
	}))
	go func() { _ = srv.Serve(lis) }() // until it is stopped
	t.Cleanup(srv.Stop)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+lis.Addr().String())
	rt, err := setup.Start(t.Context(), "job", setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	_, span := rt.TracerProvider.Tracer("test").Start(t.Context(), "work")
	span.End()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			_ = rt.Shutdown(t.Context()) // the answer is no export response
			if !exported.Load() {
				t.Error("Shutdown returned before the export")
			}
		})
	}
	both.Wait()
}
