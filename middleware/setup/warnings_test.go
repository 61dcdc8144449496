package setup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/setup"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) with(message string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for line := range strings.Lines(l.b.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["message"] == message {
			out = append(out, fields)
		}
	}
	return out
}

// Spans that do not arrive are told in the service's own log, once, with the
// endpoint and what to do.
func TestExportErrorsAreSaidInTheLog(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	go func() { _ = srv.Serve(plain) }() // until it is stopped
	t.Cleanup(srv.Stop)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for _, c := range []struct{ name, endpoint, hint string }{
		{"TLS to a plaintext collector", "https://" + plain.Addr().String(), "speaks plaintext"},
		{"nothing listens", "http://" + closed.Addr().String(), "nothing listens on the endpoint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.endpoint)
			t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
			t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
			log := &lines{}
			rt, err := setup.Start(t.Context(), "payment", setup.WithLogWriter(log))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = rt.Shutdown(context.Background()) })
			request := func() {
				_, h := rt.Telemetry.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /x"})
				h.End(adapter.Outcome{Message: "request"})
			}
			const warning = "spans are not exported"
			for deadline := time.Now().Add(time.Minute); len(log.with(warning)) == 0 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				request()
			}
			failed := counter(t, rt.Registry, "tenhop_span_exports_failed_total")
			for counter(t, rt.Registry, "tenhop_span_exports_failed_total") < failed+1 {
				request()
				time.Sleep(10 * time.Millisecond)
			}
			said := log.with(warning)
			if len(said) != 1 {
				t.Fatalf("%d warnings after several failures, want 1", len(said))
			}
			if got := said[0]; got["endpoint"] != c.endpoint || !strings.Contains(got["hint"].(string), c.hint) || got["level"] != "warn" || got["spans_lost"].(float64) < 1 {
				t.Errorf("%v", got)
			}
		})
	}
}
