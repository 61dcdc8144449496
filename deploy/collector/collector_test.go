package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
)

// jaeger receives the collector's exports and stores the trace IDs.
type jaeger struct {
	ptraceotlp.UnimplementedGRPCServer
	mu   sync.Mutex
	kept map[string]bool
}

func (j *jaeger) Export(_ context.Context, req ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, rs := range req.Traces().ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				j.kept[s.TraceID().String()] = true
			}
		}
	}
	return ptraceotlp.NewExportResponse(), nil
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

const (
	traces = 2000
	slow   = 100 // every so many is slow: 1 %
)

// TestTailSampling runs the repository's otel-collector.yaml as it is, on other
// ports: every slow trace is kept, few of the normal ones, and the span metrics
// count all of them.
func TestTailSampling(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "collector")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const file = "../../otel-collector.yaml"
	env := append(os.Environ(), "COLLECTOR_DATA="+dir)
	validate := exec.Command(bin, "validate", "--config="+file)
	validate.Env = env
	if out, err := validate.CombinedOutput(); err != nil {
		t.Fatalf("validate: %v\n%s", err, out)
	}

	sink := &jaeger{kept: map[string]bool{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	ptraceotlp.RegisterGRPCServer(server, sink)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)

	in, metrics := free(t), free(t)
	nowhere := free(t)
	args := []string{"--config=" + file}
	for key, value := range map[string]string{
		"receivers::otlp::protocols::http::endpoint":             in,
		"receivers::otlp::protocols::grpc::endpoint":             free(t),
		"receivers::jaeger::protocols::thrift_http::endpoint":    free(t),
		"receivers::jaeger::protocols::thrift_compact::endpoint": free(t),
		"receivers::zipkin::endpoint":                            free(t),
		"receivers::otlp/nowhere::protocols::http::endpoint":     nowhere,
		"exporters::prometheus::endpoint":                        metrics,
		"extensions::health_check::endpoint":                     free(t),
		"service::telemetry::metrics::level":                     "none",
		"service::telemetry::metrics::readers":                   "[]",
	} {
		args = append(args, "--set="+key+"="+value)
	}
	run := exec.CommandContext(t.Context(), bin, args...)
	var said strings.Builder
	run.Stdout, run.Stderr = &said, &said
	run.Env = append(env, "JAEGER_OTLP_ENDPOINT="+l.Addr().String(), "VENDOR_OTLP_ENDPOINT=http://"+nowhere)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
		if t.Failed() {
			t.Logf("collector:\n%.4000s", said.String())
		}
	})

	want := send(t, in)
	time.Sleep(16 * time.Second) // the decision waits 12 s
	sink.mu.Lock()
	defer sink.mu.Unlock()
	keptSlow := 0
	for id := range want {
		if sink.kept[id] {
			keptSlow++
		}
	}
	normal := len(sink.kept) - keptSlow
	counted := calls(t, metrics)
	t.Logf("%d traces, %d of %d slow ones kept, %d of %d normal ones (%.1f %%), span metrics count %d",
		traces, keptSlow, len(want), normal, traces-len(want), 100*float64(normal)/float64(traces-len(want)), counted)
	if keptSlow != len(want) || float64(normal) > 0.05*float64(traces-len(want)) || counted != traces {
		t.Error("want every slow trace, at most 5 % of normal ones, and all of them in the span metrics")
	}
}

// send posts the traces and returns the IDs of the slow ones.
func send(t *testing.T, address string) map[string]bool {
	t.Helper()
	ids := map[string]bool{}
	var spans []map[string]any
	now := time.Now()
	for i := range traces {
		id := fmt.Sprintf("%032x", uint64(i+1)*0x9E3779B97F4A7C15)
		took := 20 * time.Millisecond
		if i%slow == 0 {
			took = 600 * time.Millisecond
			ids[id] = true
		}
		spans = append(spans, map[string]any{
			"traceId": id, "spanId": fmt.Sprintf("%016x", i+1), "name": "POST /checkout", "kind": 2,
			"startTimeUnixNano": strconv.FormatInt(now.Add(-took).UnixNano(), 10),
			"endTimeUnixNano":   strconv.FormatInt(now.UnixNano(), 10),
		})
	}
	body, err := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
		"resource":   map[string]any{"attributes": []any{map[string]any{"key": "service.name", "value": map[string]any{"stringValue": "gateway"}}}},
		"scopeSpans": []any{map[string]any{"spans": spans}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		resp, err := http.Post("http://"+address+"/v1/traces", "application/json", strings.NewReader(string(body)))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return ids
			}
			err = fmt.Errorf("status %s", resp.Status)
		}
		if time.Now().After(deadline) {
			t.Fatalf("send: %v", err)
		}
	}
}

var callsLine = regexp.MustCompile(`(?m)^traces_span_metrics_calls_total\{[^\n]*\} ([0-9.e+]+)`)

func calls(t *testing.T, address string) int {
	t.Helper()
	for deadline := time.Now().Add(70 * time.Second); ; time.Sleep(time.Second) {
		resp, err := http.Get("http://" + address + "/metrics")
		if err == nil {
			content, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			sum := 0.0
			for _, m := range callsLine.FindAllStringSubmatch(string(content), -1) {
				v, err := strconv.ParseFloat(m[1], 64)
				if err != nil {
					t.Fatal(err)
				}
				sum += v
			}
			if sum > 0 {
				return int(sum)
			}
		}
		if time.Now().After(deadline) {
			return 0
		}
	}
}
