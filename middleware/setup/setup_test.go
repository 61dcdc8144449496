package setup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/setup"
)

func counter(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	mfs, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() == name {
			return mf.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("%s is not registered", name)
	return 0
}

// silentCollector accepts connections and never answers.
func silentCollector(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	return "http://" + lis.Addr().String()
}

// Spans that are dropped are counted, and a collector that hangs
// blocks neither requests nor the shutdown beyond its deadline.
func TestFault14CollectorThatHangsBlocksNobody(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", silentCollector(t))
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
	before := otel.GetTracerProvider()
	var log bytes.Buffer
	rt, err := setup.Start(t.Context(), "payment", setup.WithLogWriter(&log), setup.WithVersion("1.2.3"), setup.WithInstance("payment-1"))
	if err != nil {
		t.Fatal(err)
	}
	if otel.GetTracerProvider() != before {
		t.Error("the global tracer provider was replaced without being asked for")
	}
	const messages = 500
	for range messages {
		_, h := rt.Telemetry.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /x"})
		h.End(adapter.Outcome{Message: "request"})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := rt.Shutdown(ctx); err == nil {
		t.Error("Shutdown claims that the spans were sent")
	}
	if n := counter(t, rt.Registry, "tenhop_spans_dropped_total"); n < messages-64-8 {
		t.Errorf("%v spans counted as dropped, want at least %d", n, messages-64-8)
	}
	if n := strings.Count(log.String(), "\n"); n != messages {
		t.Errorf("%d log lines, want %d", n, messages)
	}
}

// Every line that does not reach the collector is counted, whether the queue was
// full or the collector refused.
func TestDroppedLogRecordsAreCounted(t *testing.T) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
	}))
	t.Cleanup(refuses.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refuses.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_LOGS_EXPORTER", "otlp")
	rt, err := setup.Start(t.Context(), "payment", setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	const lines = 20_000 // ten queues
	for range lines {
		rt.Logger.Info().Msg("hello")
	}
	_ = rt.Shutdown(t.Context()) // it says that the export failed
	if n := counter(t, rt.Registry, "tenhop_log_records_dropped_total"); n != lines {
		t.Errorf("%v lines are counted as dropped, want all %d", n, lines)
	}
}

// Log lines speak the protocol that spans speak: they share the endpoint.
func TestLogsShareTheProtocolOfSpans(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan string, 100)
	srv := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		called <- method
		return nil
	}))
	go func() { _ = srv.Serve(lis) }() // until it is stopped
	t.Cleanup(srv.Stop)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+lis.Addr().String())
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_LOGS_EXPORTER", "otlp")
	rt, err := setup.Start(t.Context(), "payment", setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	rt.Logger.Info().Msg("hello")
	_ = rt.Shutdown(t.Context()) // the server's answer is empty
	if got := <-called; got != "/opentelemetry.proto.collector.logs.v1.LogsService/Export" {
		t.Errorf("called %s", got)
	}
}

func TestWrongVariablesAreSaidAtStart(t *testing.T) {
	for _, c := range [][2]string{
		{"OTEL_TRACES_EXPORTER", "zipkin"}, {"OTEL_LOGS_EXPORTER", "syslog"},
		{"OTEL_METRICS_EXPORTER", "statsd"}, {"OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"},
	} {
		t.Run(c[0], func(t *testing.T) {
			t.Setenv(c[0], c[1])
			_, err := setup.Start(t.Context(), "payment")
			if err == nil || !strings.Contains(err.Error(), c[1]) {
				t.Errorf("error %v does not name %s", err, c[1])
			}
		})
	}
	t.Setenv("OTEL_SERVICE_NAME", "")
	if _, err := setup.Start(t.Context(), ""); err == nil {
		t.Error("a service without a name was started")
	}
}

// The lines of one request are milliseconds apart: seconds would not order them.
func TestLogTimesAreFine(t *testing.T) {
	var out bytes.Buffer
	rt, err := setup.Start(t.Context(), "payment", setup.WithLogWriter(&out), setup.WithRegistry(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Shutdown(context.Background())
	before := time.Now().Truncate(time.Microsecond)
	rt.Logger.Info().Msg("hello")
	var line struct {
		Time    string
		Service string
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse("2006-01-02T15:04:05.000000Z07:00", line.Time)
	if err != nil || at.Before(before) || at.After(time.Now()) || line.Service != "payment" {
		t.Errorf("line %s: %v", out.String(), err)
	}
}
