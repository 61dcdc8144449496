package stack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"

	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
)

const patience = 20 * time.Second

// start starts parts on free ports.
func start(t *testing.T, c stack.Config) *stack.Stack {
	t.Helper()
	c.Addresses = map[string]string{}
	for _, name := range stack.Endpoints() {
		c.Addresses[name] = "127.0.0.1:0"
	}
	if c.DataDir == "" {
		c.DataDir = t.TempDir()
	}
	if c.LogsDir == "" {
		c.LogsDir = t.TempDir()
	}
	s, err := stack.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *stack.Stack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

func traceOf(id byte, service, name string) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", service)
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID(pcommon.TraceID{15: id})
	span.SetSpanID(pcommon.SpanID{7: id})
	span.SetName(name)
	span.SetKind(ptrace.SpanKindServer)
	now := time.Now()
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-time.Second)))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(now))
	return td
}

func sendGRPC(t *testing.T, endpoint string, td ptrace.Traces) {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(u.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = ptraceotlp.NewGRPCClient(conn).Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(td), grpc.UseCompressor(gzip.Name))
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, u string) (int, string) {
	t.Helper()
	resp, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// eventually repeats get until the body contains want.
func eventually(t *testing.T, u, want string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		_, body := get(t, u)
		if strings.Contains(body, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never answered %q; last: %s", u, want, body)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestTracesFromBothTransportsAnswerBothAPIs(t *testing.T) {
	s := start(t, stack.Config{Parts: []stack.Part{stack.OTLP, stack.Jaeger}})
	e := s.Endpoints()
	sendGRPC(t, e[endpoint.OTLPGRPC], traceOf(1, "gateway", "POST /checkout"))

	body, err := ptraceotlp.NewExportRequestFromTraces(traceOf(2, "payment", "Charge")).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(e[endpoint.OTLPHTTP]+"/v1/traces", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}

	if code, got := get(t, e[endpoint.Jaeger]+"/api/v3/services"); code != 200 || got != `{"services":["gateway","payment"]}`+"\n" {
		t.Errorf("services: %d %s", code, got)
	}
	if code, got := get(t, e[endpoint.Jaeger]+"/api/v3/traces/1"); code != 200 || !strings.Contains(got, `"traceId":"00000000000000000000000000000001"`) {
		t.Errorf("v3 trace: %d %s", code, got)
	}
	if code, got := get(t, e[endpoint.Jaeger]+"/api/traces?service=payment"); code != 200 || !strings.Contains(got, `"operationName":"Charge"`) {
		t.Errorf("search: %d %s", code, got)
	}
	if code, _ := get(t, e[endpoint.Jaeger]+"/api/traces/ff"); code != 404 {
		t.Errorf("unknown trace: %d", code)
	}
}

func TestTracesAndMetricsSurviveRestart(t *testing.T) {
	c := stack.Config{
		Parts:   []stack.Part{stack.OTLP, stack.Jaeger, stack.Prometheus},
		DataDir: t.TempDir(), ScrapeInterval: 100 * time.Millisecond,
	}
	first := start(t, c)
	sendGRPC(t, first.Endpoints()[endpoint.OTLPGRPC], traceOf(7, "order", "Place"))
	query := "/api/v1/query?query=" + url.QueryEscape(`max_over_time(otelcol_receiver_accepted_spans{transport="grpc"}[1h])`)
	eventually(t, first.Endpoints()[endpoint.Prometheus]+query, `,"1"]`)
	stop(t, first)

	second := start(t, c)
	if code, got := get(t, second.Endpoints()[endpoint.Jaeger]+"/api/traces/7"); code != 200 || !strings.Contains(got, `"Place"`) {
		t.Errorf("trace after restart: %d %s", code, got)
	}
	eventually(t, second.Endpoints()[endpoint.Prometheus]+query, `,"1"]`)
}

func TestScrapesTargetsThatAppearLater(t *testing.T) {
	file := filepath.Join(t.TempDir(), "targets.json")
	s := start(t, stack.Config{Parts: []stack.Part{stack.Prometheus}, TargetsFile: file, ScrapeInterval: 100 * time.Millisecond})
	prom := s.Endpoints()[endpoint.Prometheus]
	targets, err := json.Marshal([]map[string]any{{
		"targets": []string{strings.TrimPrefix(prom, "http://")},
		"labels":  map[string]string{"job": "payment", "instance": "payment-1"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, targets, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, prom+"/api/v1/query?query="+url.QueryEscape(`up{job="payment",instance="payment-1"}`), `,"1"]`)
}

func TestBrokerAndRedisServe(t *testing.T) {
	c := stack.Config{Parts: []stack.Part{stack.Kafka, stack.Redis}, DataDir: t.TempDir(), Topics: []string{"orders.placed"}}
	first := start(t, c)
	produce(t, first.Endpoints()[endpoint.Kafka])

	client := redis.NewClient(&redis.Options{Addr: first.Endpoints()[endpoint.Redis]})
	defer client.Close()
	if err := client.Set(t.Context(), "cart", "3", 30*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for client.Get(t.Context(), "cart").Err() == nil {
		if time.Now().After(deadline) {
			t.Fatal("key never expired")
		}
		time.Sleep(5 * time.Millisecond)
	}
	stop(t, first)

	second := start(t, c)
	consumer, err := kgo.NewClient(kgo.SeedBrokers(second.Endpoints()[endpoint.Kafka]), kgo.ConsumeTopics("orders.placed"))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	fetches := consumer.PollRecords(ctx, 1)
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	if got := string(fetches.Records()[0].Value); got != "order 1" {
		t.Errorf("record after restart: %q", got)
	}
}

func produce(t *testing.T, broker string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	err = client.ProduceSync(t.Context(), &kgo.Record{Topic: "orders.placed", Value: []byte("order 1")}).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTakenPortIsReplacedAndSaid(t *testing.T) {
	first := start(t, stack.Config{Parts: []stack.Part{stack.Redis}})
	taken := first.Endpoints()[endpoint.Redis]
	second, err := stack.Start(t.Context(), stack.Config{
		Parts: []stack.Part{stack.Redis}, DataDir: t.TempDir(),
		Addresses: map[string]string{endpoint.Redis: taken},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, second)
	if got := second.Moved()[endpoint.Redis]; got != taken {
		t.Errorf("moved from %q, want %q", got, taken)
	}
	if second.Endpoints()[endpoint.Redis] == taken {
		t.Error("both listen on the same port")
	}
}

func TestConfigErrorsSayWhatToDo(t *testing.T) {
	for want, c := range map[string]stack.Config{
		"no data directory":   {},
		"is not known":        {DataDir: "x", Parts: []stack.Part{"zipkin"}},
		"logs directory":      {DataDir: "x", Parts: []stack.Part{stack.Loki}},
		"endpoint \"zipkin\"": {DataDir: "x", Addresses: map[string]string{"zipkin": "127.0.0.1:9411"}},
	} {
		if _, err := stack.Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

func ExampleStart() {
	dir, err := os.MkdirTemp("", "tenhop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	s, err := stack.Start(ctx, stack.Config{
		DataDir:   dir,
		Parts:     []stack.Part{stack.Redis},
		Addresses: map[string]string{endpoint.Redis: "127.0.0.1:0"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(s.Endpoints()), "endpoint")
	fmt.Println("closed:", s.Close(ctx))
	// Output:
	// 1 endpoint
	// closed: <nil>
}

func TestLogsOverOTLPAreFoundByTrace(t *testing.T) {
	s := start(t, stack.Config{Parts: []stack.Part{stack.OTLP, stack.Loki}})
	body := `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"payment"}}]},"scopeLogs":[{"logRecords":[` +
		fmt.Sprintf(`{"timeUnixNano":"%d","severityText":"ERROR","body":{"stringValue":"card declined"},"traceId":"0102030405060708090a0b0c0d0e0f10"}`, time.Now().UnixNano()) + `]}]}]}`
	resp, err := http.Post(s.Endpoints()[endpoint.OTLPHTTP]+"/v1/logs", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	query := url.QueryEscape(`{service_name="payment"} | json | trace_id="0102030405060708090a0b0c0d0e0f10"`)
	eventually(t, s.Endpoints()[endpoint.Loki]+"/loki/api/v1/query_range?query="+query, "card declined")
}

// If a part fails to start, those before it are stopped.
func TestFailedStartLeavesNothingRunning(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	probe := start(t, stack.Config{Parts: []stack.Part{stack.Redis}})
	address := probe.Endpoints()[endpoint.Redis]
	stop(t, probe)
	_, err := stack.Start(t.Context(), stack.Config{
		Parts: []stack.Part{stack.Kafka, stack.Redis}, DataDir: file,
		Addresses: map[string]string{endpoint.Redis: address, endpoint.Kafka: "127.0.0.1:0"},
	})
	if err == nil {
		t.Fatal("started on a file as data directory")
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal("the port is still taken:", err)
	}
	l.Close()
}

// Start owns the sockets it is given, also those of parts that it does not reach.
func TestFailedStartClosesAllSockets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why    string
		config stack.Config
	}{
		{"the first part fails", stack.Config{Parts: []stack.Part{stack.Jaeger, stack.Kafka, stack.Redis}, DataDir: file}},
		{"a part in the middle fails", stack.Config{Parts: []stack.Part{stack.Kafka, stack.Redis}, DataDir: file}},
		{"the configuration is wrong", stack.Config{}},
	} {
		t.Run(c.why, func(t *testing.T) {
			c.config.Listeners = map[string]net.Listener{}
			for _, name := range []string{endpoint.Jaeger, endpoint.JaegerThrift, endpoint.Kafka, endpoint.Redis} {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				c.config.Listeners[name] = l
			}
			udp, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			c.config.PacketConns = map[string]net.PacketConn{endpoint.JaegerUDP: udp}
			if _, err := stack.Start(t.Context(), c.config); err == nil {
				t.Fatal("the stack started")
			}
			for name, l := range c.config.Listeners {
				if again, err := net.Listen("tcp", l.Addr().String()); err != nil {
					t.Errorf("%s is still open: %v", name, err)
				} else {
					again.Close()
				}
			}
			if again, err := net.ListenPacket("udp", udp.LocalAddr().String()); err != nil {
				t.Errorf("%s is still open: %v", endpoint.JaegerUDP, err)
			} else {
				again.Close()
			}
		})
	}
}

// The table of endpoints and the list of parts must agree.
func TestEveryEndpointBelongsToAPart(t *testing.T) {
	for _, e := range endpoint.All() {
		ofStack := e.Part != "" && e.Name != endpoint.Console
		if slices.Contains(stack.Parts(), stack.Part(e.Part)) != ofStack {
			t.Errorf("endpoint %s: part %q", e.Name, e.Part)
		}
	}
	for _, p := range stack.Parts() {
		if len(endpoint.OfPart(string(p))) == 0 {
			t.Errorf("part %s has no endpoint", p)
		}
	}
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Connections that http.DefaultClient keeps open in these tests.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		// Prometheus's OTLP handler starts it and cannot be closed.
		goleak.IgnoreAnyFunction("github.com/open-telemetry/opentelemetry-collector-contrib/processor/deltatocumulativeprocessor.(*deltaToCumulativeProcessor).Start.func1"),
	)
}
