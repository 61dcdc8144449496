package runtime

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// A call whose message never comes ends, and a connection has a bounded number
// of such calls.
func TestCallsWithoutAMessageEnd(t *testing.T) {
	srv := grpc.NewServer(grpcLimits(500 * time.Millisecond)...)
	grpc_health_v1.RegisterHealthServer(srv, health.NewServer())
	l := listen(t)
	go srv.Serve(l)
	defer srv.Stop()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, grpc_health_v1.Health_Check_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&grpc_health_v1.HealthCheckResponse{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a call without a message ends with %v", err)
	}
}

// A client that sends its request too slowly loses its connection.
func TestSlowBodiesEnd(t *testing.T) {
	srv := httpServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	if srv.ReadTimeout <= 0 || srv.IdleTimeout <= 0 || srv.ReadHeaderTimeout <= 0 || srv.MaxHeaderBytes <= 0 {
		t.Fatalf("a limit is missing: %+v", srv)
	}
	srv.ReadTimeout, srv.ReadHeaderTimeout = 200*time.Millisecond, 200*time.Millisecond
	l := listen(t)
	go srv.Serve(l)
	defer srv.Close()
	for why, sent := range map[string]string{
		"a body that does not come": "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
		"a header that does not":    "POST / HTTP/1.1\r\nHost: a\r\n",
		"nothing":                   "",
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", why)
		}
	}
}
