package stack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// jaegerBinary returns the path of Jaeger v1.76.0, or skips the test.
func jaegerBinary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("TENHOP_JAEGER_BIN"); bin != "" {
		return bin
	}
	if os.Getenv("TENHOP_JAEGER_BUILD") == "" {
		t.Skip("SKIPPED: the embedded Jaeger API was not compared with the real one; set TENHOP_JAEGER_BIN to a Jaeger v1.76.0 or TENHOP_JAEGER_BUILD=1 to build it")
	}
	bin := filepath.Join(t.TempDir(), "jaeger")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "github.com/jaegertracing/jaeger/cmd/jaeger")
	cmd.Dir = "jaegercontract"
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build Jaeger: %v\n%s", err, out)
	}
	return bin
}

var jaegerConfig = template.Must(template.New("").Parse(`
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp, jaeger], exporters: [jaeger_storage_exporter]}
  telemetry:
    metrics: {level: none}
    logs: {level: warn}
extensions:
  jaeger_query:
    storage: {traces: store}
    http: {endpoint: "{{.query}}"}
    grpc: {endpoint: "127.0.0.1:0"}
  jaeger_storage:
    backends:
      store: {memory: {max_traces: 1000}}
receivers:
  otlp: {protocols: {grpc: {endpoint: "{{.grpc}}"}}}
  jaeger: {protocols: {thrift_http: {endpoint: "{{.thrift}}"}}}
exporters:
  jaeger_storage_exporter: {trace_storage: store}
`))

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startJaeger runs Jaeger and returns its endpoints by their names in package
// endpoint.
func startJaeger(t *testing.T) map[string]string {
	t.Helper()
	at := map[string]string{"query": freeAddress(t), "grpc": freeAddress(t), "thrift": freeAddress(t)}
	var config bytes.Buffer
	if err := jaegerConfig.Execute(&config, at); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "jaeger.yaml")
	if err := os.WriteFile(path, config.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, jaegerBinary(t), "--config", path)
	cmd.Stdout, cmd.Stderr = &logs, &logs
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // interrupted
		if t.Failed() {
			t.Logf("Jaeger said:\n%s", logs.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		resp, err := http.Get("http://" + at["query"] + "/api/services")
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Jaeger did not start:\n%s", logs.String())
		}
	}
	return map[string]string{
		endpoint.Jaeger:       "http://" + at["query"],
		endpoint.OTLPGRPC:     "http://" + at["grpc"],
		endpoint.JaegerThrift: "http://" + at["thrift"] + "/api/traces",
	}
}

// TestSameAnswersAsJaeger sends the same spans to Jaeger v1.76.0 and to the
// stack and compares the answers to every call that Jaeger's web UI, Grafana's
// Jaeger data source, diagnose and the console make.
func TestSameAnswersAsJaeger(t *testing.T) {
	theirs := startJaeger(t)
	ours := start(t, stack.Config{Parts: []stack.Part{stack.OTLP, stack.Jaeger}}).Endpoints()

	now := time.Now().Truncate(time.Millisecond)
	for _, e := range []map[string]string{theirs, ours} {
		for _, td := range contractBatches(now) {
			sendGRPC(t, e[endpoint.OTLPGRPC], td)
		}
		sendThrift(t, e[endpoint.JaegerThrift], now)
		eventually(t, e[endpoint.Jaeger]+"/api/services", `"loyalty"`)
	}
	for _, call := range contractCalls(now) {
		t.Run(call.name, func(t *testing.T) {
			wantCode, wantBody := get(t, theirs[endpoint.Jaeger]+call.path)
			gotCode, gotBody := get(t, ours[endpoint.Jaeger]+call.path)
			if gotCode != wantCode {
				t.Fatalf("%s: status %d, Jaeger %d\nours: %s\nJaeger: %s", call.path, gotCode, wantCode, gotBody, wantBody)
			}
			want, err := normalize(wantBody)
			if err != nil {
				t.Fatalf("Jaeger: %v", err)
			}
			got, err := normalize(gotBody)
			if err != nil {
				t.Fatalf("ours: %v", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-Jaeger +ours):\n%s", call.path, diff)
			}
		})
	}
}

type contractCall struct{ name, path string }

func contractCalls(now time.Time) []contractCall {
	micros := func(d time.Duration) string { return fmt.Sprint(now.Add(d).UnixMicro()) }
	nanos := func(d time.Duration) string { return url.QueryEscape(now.Add(d).UTC().Format(time.RFC3339Nano)) }
	span := "&start=" + micros(-time.Hour) + "&end=" + micros(time.Hour)
	v3 := "/api/v3/traces?query.start_time_min=" + nanos(-time.Hour) + "&query.start_time_max=" + nanos(time.Hour) + "&query.num_traces=20"
	return []contractCall{
		// First, because later calls of version 3 change the content of Jaeger's memory
		// store: they sort attributes and add another copy of each warning.
		{"v3 raw trace", "/api/v3/traces/" + contractTrace + "?raw_traces=true"},
		// Jaeger's web UI, packages/jaeger-ui/src/api/jaeger.tsx.
		{"services", "/api/services"},
		{"operations of a service", "/api/services/gateway/operations"},
		{"operations of an unknown service", "/api/services/nobody/operations"},
		{"operations with kinds", "/api/operations?service=gateway"},
		{"operations of a kind", "/api/operations?service=gateway&spanKind=client"},
		{"operations without a service", "/api/operations"},
		{"trace", "/api/traces/" + contractTrace},
		{"trace with a 64-bit ID", "/api/traces/9"},
		{"raw trace", "/api/traces/" + contractTrace + "?raw=true"},
		{"trace of a legacy client", "/api/traces/" + legacyTrace},
		{"trace pretty", "/api/traces/" + contractTrace + "?prettyPrint=true"},
		{"unknown trace", "/api/traces/ffffffffffffffffffffffffffffffff"},
		{"malformed trace ID", "/api/traces/nonsense"},
		{"too long trace ID", "/api/traces/ffffffffffffffffffffffffffffffffff"},
		{"malformed raw", "/api/traces/" + contractTrace + "?raw=perhaps"},
		{"search", "/api/traces?service=gateway&limit=20&lookback=1h" + span},
		{"search by operation", "/api/traces?service=gateway&operation=POST+%2Fcheckout&limit=20" + span},
		{"search by tags", "/api/traces?service=gateway&limit=20&tags=" + url.QueryEscape(`{"customer.tier":"gold"}`) + span},
		{"search by a tag of the resource", "/api/traces?service=gateway&limit=20&tags=" + url.QueryEscape(`{"host.name":"box-1"}`) + span},
		{"search by a tag of a number", "/api/traces?service=gateway&limit=20&tags=" + url.QueryEscape(`{"http.response.status_code":"200"}`) + span},
		{"search by a tag that none has", "/api/traces?service=gateway&limit=20&tags=" + url.QueryEscape(`{"customer.tier":"lead"}`) + span},
		{"search by simple tag", "/api/traces?service=gateway&limit=20&tag=customer.tier:gold" + span},
		{"search by least duration", "/api/traces?service=payment&limit=20&minDuration=100ms" + span},
		{"search by most duration", "/api/traces?service=payment&limit=20&maxDuration=100ms" + span},
		{"search in an empty range", "/api/traces?service=gateway&limit=20&start=1&end=2"},
		{"search by IDs", "/api/traces?traceID=" + contractTrace + "&traceID=9"},
		{"search by unknown ID", "/api/traces?traceID=ffffffffffffffffffffffffffffffff"},
		{"search without a service", "/api/traces?limit=20" + span},
		{"search with a malformed tag", "/api/traces?service=gateway&tag=nonsense"},
		{"search with malformed tags", "/api/traces?service=gateway&tags=nonsense"},
		{"search with a malformed limit", "/api/traces?service=gateway&limit=many"},
		{"search with a malformed start", "/api/traces?service=gateway&start=now"},
		{"search with a malformed duration", "/api/traces?service=gateway&minDuration=long"},
		{"search with durations crossed", "/api/traces?service=gateway&minDuration=2s&maxDuration=1s"},
		{"dependencies", "/api/dependencies?lookback=3600000&endTs=" + fmt.Sprint(now.Add(time.Minute).UnixMilli())},
		{"dependencies of a service", "/api/dependencies?service=payment&lookback=3600000&endTs=" + fmt.Sprint(now.Add(time.Minute).UnixMilli())},
		{"dependencies, malformed end", "/api/dependencies?endTs=now"},
		// Grafana's data source, pkg/tsdb/jaeger/client.go.
		{"Grafana: trace in a range", "/api/traces/" + contractTrace + "?" + span[1:]},
		{"Grafana: search", "/api/traces?end=" + micros(time.Hour) + "&limit=20&lookback=custom&maxDuration=10s&minDuration=1ms&operation=POST+%2Fcheckout&service=gateway&start=" + micros(-time.Hour)},
		// diagnose and the console.
		{"v3 services", "/api/v3/services"},
		{"v3 operations", "/api/v3/operations?service=gateway"},
		{"v3 operations of a kind", "/api/v3/operations?service=gateway&span_kind=client"},
		{"v3 operations of an unknown service", "/api/v3/operations?service=nobody"},
		{"v3 trace", "/api/v3/traces/" + contractTrace},
		{"v3 trace with a 64-bit ID", "/api/v3/traces/9"},
		{"v3 trace of a legacy client", "/api/v3/traces/" + legacyTrace},
		{"v3 malformed trace ID", "/api/v3/traces/nonsense"},
		{"v3 unknown trace", "/api/v3/traces/ffffffffffffffffffffffffffffffff"},
		{"v3 trace, malformed start", "/api/v3/traces/" + contractTrace + "?start_time=now"},
		{"v3 search", v3 + "&query.service_name=gateway"},
		{"v3 search by operation", v3 + "&query.service_name=gateway&query.operation_name=POST+%2Fcheckout"},
		{"v3 search by duration", v3 + "&query.service_name=payment&query.duration_min=100ms"},
		{"v3 search, nothing found", v3 + "&query.service_name=nobody"},
		{"v3 search without times", "/api/v3/traces?query.service_name=gateway"},
		{"v3 search, malformed number", v3 + "&query.num_traces=many"},
		{"v3 search, malformed duration", v3 + "&query.duration_min=long"},
		{"v3 search, malformed time", "/api/v3/traces?query.start_time_min=now&query.start_time_max=now"},
	}
}

func sendThrift(t *testing.T, endpoint string, now time.Time) {
	t.Helper()
	resp, err := http.Post(endpoint, "application/vnd.apache.thrift.binary", bytes.NewReader(legacyBatch(t, now)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s", resp.Status, body)
	}
}

// normalize parses an answer and removes differences without meaning: the order of
// lists that represent sets, and the names of processes.
func normalize(body string) (any, error) {
	var v any
	if err := json.Unmarshal([]byte(strings.TrimSpace(body)), &v); err != nil {
		return nil, errors.Join(err, errors.New(body))
	}
	return sortSets("", v), nil
}
