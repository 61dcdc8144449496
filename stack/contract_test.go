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
			if call.repeats {
				want = dropRepeats(want)
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

type contractCall struct {
	name, path string
	repeats    bool // Jaeger returns a span that was sent twice twice; ours is stored once
}

func contractCalls(now time.Time) []contractCall {
	micros := func(d time.Duration) string { return fmt.Sprint(now.Add(d).UnixMicro()) }
	nanos := func(d time.Duration) string { return url.QueryEscape(now.Add(d).UTC().Format(time.RFC3339Nano)) }
	span := "&start=" + micros(-time.Hour) + "&end=" + micros(time.Hour)
	v3 := "/api/v3/traces?query.start_time_min=" + nanos(-time.Hour) + "&query.start_time_max=" + nanos(time.Hour) + "&query.num_traces=20"
	return []contractCall{
		// First, because later calls of version 3 change the content of Jaeger's memory
		// store: they sort attributes and add another copy of each warning.
		{name: "v3 raw trace", path: "/api/v3/traces/" + contractTrace + "?raw_traces=true", repeats: true},
		// Jaeger's web UI, packages/jaeger-ui/src/api/jaeger.tsx.
		{name: "services", path: "/api/services"},
		{name: "operations of a service", path: "/api/services/gateway/operations"},
		{name: "operations of an unknown service", path: "/api/services/nobody/operations"},
		{name: "operations with kinds", path: "/api/operations?service=gateway"},
		{name: "operations of a kind", path: "/api/operations?service=gateway&spanKind=client"},
		{name: "operations without a service", path: "/api/operations"},
		{name: "trace", path: "/api/traces/" + contractTrace},
		{name: "trace with a 64-bit ID", path: "/api/traces/9"},
		{name: "raw trace", path: "/api/traces/" + contractTrace + "?raw=true", repeats: true},
		{name: "trace of a legacy client", path: "/api/traces/" + legacyTrace},
		{name: "trace pretty", path: "/api/traces/" + contractTrace + "?prettyPrint=true"},
		{name: "unknown trace", path: "/api/traces/ffffffffffffffffffffffffffffffff"},
		{name: "malformed trace ID", path: "/api/traces/nonsense"},
		{name: "too long trace ID", path: "/api/traces/ffffffffffffffffffffffffffffffffff"},
		{name: "malformed raw", path: "/api/traces/" + contractTrace + "?raw=perhaps"},
		{name: "search", path: "/api/traces?service=gateway&limit=20&lookback=1h" + span},
		{name: "search by operation", path: "/api/traces?service=gateway&operation=POST+%2Fcheckout&limit=20" + span},
		{name: "search by tags", path: "/api/traces?service=gateway&limit=20&tags=" + url.QueryEscape(`{"customer.tier":"gold"}`) + span},
		{name: "search by a tag of the resource", path: "/api/traces?service=gateway&limit=20&tags=" + url.QueryEscape(`{"host.name":"box-1"}`) + span},
		{name: "search by a tag of a number", path: "/api/traces?service=gateway&limit=20&tags=" + url.QueryEscape(`{"http.response.status_code":"200"}`) + span},
		{name: "search by a tag that none has", path: "/api/traces?service=gateway&limit=20&tags=" + url.QueryEscape(`{"customer.tier":"lead"}`) + span},
		{name: "search by simple tag", path: "/api/traces?service=gateway&limit=20&tag=customer.tier:gold" + span},
		{name: "search by least duration", path: "/api/traces?service=payment&limit=20&minDuration=100ms" + span},
		{name: "search by most duration", path: "/api/traces?service=payment&limit=20&maxDuration=100ms" + span},
		{name: "search in an empty range", path: "/api/traces?service=gateway&limit=20&start=1&end=2"},
		{name: "search by IDs", path: "/api/traces?traceID=" + contractTrace + "&traceID=9"},
		{name: "search by unknown ID", path: "/api/traces?traceID=ffffffffffffffffffffffffffffffff"},
		{name: "search without a service", path: "/api/traces?limit=20" + span},
		{name: "search with a malformed tag", path: "/api/traces?service=gateway&tag=nonsense"},
		{name: "search with malformed tags", path: "/api/traces?service=gateway&tags=nonsense"},
		{name: "search with a malformed limit", path: "/api/traces?service=gateway&limit=many"},
		{name: "search with a malformed start", path: "/api/traces?service=gateway&start=now"},
		{name: "search with a malformed duration", path: "/api/traces?service=gateway&minDuration=long"},
		{name: "search with durations crossed", path: "/api/traces?service=gateway&minDuration=2s&maxDuration=1s"},
		{name: "dependencies", path: "/api/dependencies?lookback=3600000&endTs=" + fmt.Sprint(now.Add(time.Minute).UnixMilli())},
		{name: "dependencies of a service", path: "/api/dependencies?service=payment&lookback=3600000&endTs=" + fmt.Sprint(now.Add(time.Minute).UnixMilli())},
		{name: "dependencies, malformed end", path: "/api/dependencies?endTs=now"},
		// Grafana's data source, pkg/tsdb/jaeger/client.go.
		{name: "Grafana: trace in a range", path: "/api/traces/" + contractTrace + "?" + span[1:]},
		{name: "Grafana: search", path: "/api/traces?end=" + micros(time.Hour) + "&limit=20&lookback=custom&maxDuration=10s&minDuration=1ms&operation=POST+%2Fcheckout&service=gateway&start=" + micros(-time.Hour)},
		// diagnose and the console.
		{name: "v3 services", path: "/api/v3/services"},
		{name: "v3 operations", path: "/api/v3/operations?service=gateway"},
		{name: "v3 operations of a kind", path: "/api/v3/operations?service=gateway&span_kind=client"},
		{name: "v3 operations of an unknown service", path: "/api/v3/operations?service=nobody"},
		{name: "v3 trace", path: "/api/v3/traces/" + contractTrace},
		{name: "v3 trace with a 64-bit ID", path: "/api/v3/traces/9"},
		{name: "v3 trace of a legacy client", path: "/api/v3/traces/" + legacyTrace},
		{name: "v3 malformed trace ID", path: "/api/v3/traces/nonsense"},
		{name: "v3 unknown trace", path: "/api/v3/traces/ffffffffffffffffffffffffffffffff"},
		{name: "v3 trace, malformed start", path: "/api/v3/traces/" + contractTrace + "?start_time=now"},
		{name: "v3 search", path: v3 + "&query.service_name=gateway"},
		{name: "v3 search by operation", path: v3 + "&query.service_name=gateway&query.operation_name=POST+%2Fcheckout"},
		{name: "v3 search by duration", path: v3 + "&query.service_name=payment&query.duration_min=100ms"},
		{name: "v3 search, nothing found", path: v3 + "&query.service_name=nobody"},
		{name: "v3 search without times", path: "/api/v3/traces?query.service_name=gateway"},
		{name: "v3 search, malformed number", path: v3 + "&query.num_traces=many"},
		{name: "v3 search, malformed duration", path: v3 + "&query.duration_min=long"},
		{name: "v3 search, malformed time", path: "/api/v3/traces?query.start_time_min=now&query.start_time_max=now"},
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

// dropRepeats removes from every list the elements that are equal to an earlier one
// and stand for a span.
func dropRepeats(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = dropRepeats(x)
		}
	case []any:
		seen := map[string]bool{}
		var out []any
		for _, x := range v {
			b, _ := json.Marshal(x) // decoded from JSON
			repeat := seen[string(b)] && (strings.Contains(string(b), `"spanID"`) || strings.Contains(string(b), `"spanId"`))
			seen[string(b)] = true
			if !repeat {
				out = append(out, dropRepeats(x))
			}
		}
		if len(v) == 0 {
			return v
		}
		return out
	}
	return v
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
