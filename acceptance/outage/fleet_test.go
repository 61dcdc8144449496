package outage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// fleet is an HTTP service that calls a gRPC service. Both export spans and log records
// over OTLP and expose metrics.
type fleet struct {
	protocol, url, metrics string
	services               []*setup.Runtime
}

func newFleet(t *testing.T, protocol, otlp string) *fleet {
	t.Helper()
	for k, v := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + otlp, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_LOGS_EXPORTER": "otlp",
		"OTEL_EXPORTER_OTLP_TIMEOUT": "1000", "OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_BLRP_SCHEDULE_DELAY": "200",
		"OTEL_BSP_MAX_QUEUE_SIZE": "256", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64", "OTEL_BLRP_MAX_QUEUE_SIZE": "256",
		"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "64", "OTEL_BSP_EXPORT_TIMEOUT": "1000", "OTEL_BLRP_EXPORT_TIMEOUT": "1000",
	} {
		t.Setenv(k, v)
	}
	f := &fleet{protocol: protocol}
	start := func(name string) *setup.Runtime {
		rt, err := setup.Start(t.Context(), name, setup.WithLogWriter(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = rt.Shutdown(ctx)
		})
		f.services = append(f.services, rt)
		return rt
	}
	front, back := start("front"), start("back")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(grpcmw.ServerOptions(grpcmw.WithTelemetry(back.Telemetry))...)
	healthpb.RegisterHealthServer(srv, health.NewServer())
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), append(grpcmw.DialOptions("back", grpcmw.WithTelemetry(front.Telemetry)),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	callee := healthpb.NewHealthClient(conn)
	web := httptest.NewServer(httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(2 * time.Millisecond) // in place of a database
		if _, err := callee.Check(r.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Trace", trace.SpanContextFromContext(r.Context()).TraceID().String())
	}), httpmw.WithTelemetry(front.Telemetry)))
	t.Cleanup(web.Close)
	f.url = web.URL
	metrics := httptest.NewServer(front.Telemetry.MetricsHandler())
	t.Cleanup(func() { metrics.CloseClientConnections(); metrics.Close() })
	f.metrics = strings.TrimPrefix(metrics.URL, "http://")
	return f
}

// request sends a request and returns its trace ID.
func (f *fleet) request(t *testing.T) string {
	t.Helper()
	resp, err := client.Get(f.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Header.Get("Trace")
}

// dropped returns how many spans and log records the services have counted as lost.
func dropped(t *testing.T, fleets []*fleet) (sum float64) {
	t.Helper()
	for _, f := range fleets {
		for _, s := range f.services {
			families, err := s.Registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, family := range families {
				if n := family.GetName(); n == "tenhop_spans_dropped_total" || n == "tenhop_log_records_dropped_total" {
					for _, m := range family.GetMetric() {
						sum += m.GetCounter().GetValue()
					}
				}
			}
		}
	}
	return sum
}

// stackProcess is the embedded stack in a process of its own.
type stackProcess struct {
	dir, otlpGRPC, otlpHTTP, jaeger, prometheus string
	small                                       bool // dir is a small file system
	cmd                                         *exec.Cmd
}

const childDir = "TENHOP_TELEMETRY_OUTAGE_DIR"

// TestMain runs the stack if this process is the stack's.
func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	addresses := map[string]string{}
	for _, pair := range strings.Split(os.Getenv(childDir+"_LISTEN"), ",") {
		name, address, _ := strings.Cut(pair, "=")
		addresses[name] = address
	}
	_, err := stack.Start(context.Background(), stack.Config{Parts: []stack.Part{stack.OTLP, stack.Jaeger, stack.Prometheus, stack.Loki},
		Addresses: addresses, DataDir: filepath.Join(dir, "data"), LogsDir: filepath.Join(dir, "logs"), TargetsFile: filepath.Join(dir, "targets.json"),
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

func startStack(t *testing.T) *stackProcess {
	t.Helper()
	s := &stackProcess{dir: t.TempDir()}
	if err := syscall.Mount("tmpfs", s.dir, "tmpfs", 0, "size=64m"); err == nil {
		s.small = true
		dir := s.dir
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	}
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	s.otlpGRPC, s.otlpHTTP, s.prometheus = free(), free(), free()
	s.jaeger = "http://" + free()
	t.Cleanup(s.kill)
	s.start(t)
	return s
}

func (s *stackProcess) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(os.Args[0])
	s.cmd.Stderr = os.Stderr
	s.cmd.Env = append(os.Environ(), childDir+"="+s.dir, childDir+"_LISTEN="+strings.Join([]string{
		endpoint.OTLPGRPC + "=" + s.otlpGRPC, endpoint.OTLPHTTP + "=" + s.otlpHTTP, endpoint.Prometheus + "=" + s.prometheus,
		endpoint.Jaeger + "=" + strings.TrimPrefix(s.jaeger, "http://"),
		endpoint.Loki + "=127.0.0.1:0", endpoint.JaegerThrift + "=127.0.0.1:0", endpoint.JaegerUDP + "=127.0.0.1:0"}, ","))
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", s.otlpHTTP)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the stack does not start: %v", err)
		}
	}
}

func (s *stackProcess) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// scrape lets the stack scrape the fleets.
func (s *stackProcess) scrape(t *testing.T, fleets []*fleet) {
	t.Helper()
	var targets []any
	for i, f := range fleets {
		targets = append(targets, map[string]any{"targets": []string{f.metrics}, "labels": map[string]string{"job": "front", "instance": fmt.Sprint("front-", i)}})
	}
	b, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "targets.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}
