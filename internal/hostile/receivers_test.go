package hostile_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/internal/hostile"
	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// startStack starts the parts that receive telemetry, on free ports.
func startStack(t *testing.T) *stack.Stack {
	t.Helper()
	addresses := map[string]string{}
	for _, name := range stack.Endpoints() {
		addresses[name] = "127.0.0.1:0"
	}
	s, err := stack.Start(t.Context(), stack.Config{Addresses: addresses, DataDir: t.TempDir(), LogsDir: t.TempDir(),
		Parts:          []stack.Part{stack.OTLP, stack.Jaeger, stack.Prometheus, stack.Loki},
		ScrapeInterval: time.Hour, EvaluationInterval: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// post sends a body and returns the answer's status and the beginning of its text.
func post(t *testing.T, target, contentType, encoding string, body io.Reader) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "the connection is closed"
	}
	defer resp.Body.Close()
	return resp.Status
}

// raw passes bytes as they are to gRPC.
type raw struct{}

// Marshal implements encoding.CodecV2.
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

// Unmarshal implements encoding.CodecV2.
func (raw) Unmarshal(mem.BufferSlice, any) error { return nil }

// Name implements encoding.CodecV2.
func (raw) Name() string { return "proto" }

// signal is one signal of OTLP, with the fields that lead to its items.
type signal struct {
	name, method                 string
	list, scopes, items          string // in JSON
	attribute                    []int  // fields from an item to its attributes
	attributeHead, attributeTail string // in JSON, from an item
}

var signals = []signal{
	{"traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "resourceSpans", "scopeSpans", "spans", []int{9}, `{"attributes":[`, `]}`},
	{"metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "resourceMetrics", "scopeMetrics", "metrics", []int{5, 1, 7}, `{"name":"a","gauge":{"dataPoints":[{"attributes":[`, `]}]}}`},
	{"logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export", "resourceLogs", "scopeLogs", "logRecords", []int{6}, `{"attributes":[`, `]}`},
}

// empty returns a field without content.
func empty(number int) string { return string(hostile.Field(number, nil)) }

// TestReceivers sends hostile requests to the receivers of a running stack, whose stores
// take what is accepted.
func TestReceivers(t *testing.T) {
	tb := newTable(t, "receivers")
	const mib = hostile.MiB
	const size = 20*mib - 1024 // below the limit of a request
	s := startStack(t)
	otlp := s.Endpoints()[endpoint.OTLPHTTP]
	grpcURL, err := url.Parse(s.Endpoints()[endpoint.OTLPGRPC])
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(grpcURL.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const proto, asJSON = "application/x-protobuf", "application/json"
	for _, g := range signals {
		head := fmt.Sprintf(`{%q:[{%q:[{%q:[`, g.list, g.scopes, g.items)
		const tail = `]}]}]}`
		last := g.attribute[len(g.attribute)-1]
		within := append([]int{1, 2, 2}, g.attribute[:len(g.attribute)-1]...)
		million := func() []byte {
			b := make([]byte, 0, 16*mib)
			for i := range 300_000 {
				b = append(b, hostile.Field(last, append(hostile.Field(1, fmt.Appendf(nil, "attribute.%06d", i)), hostile.Field(2, hostile.Field(1, []byte("v")))...))...)
			}
			return hostile.Within(b, within...)
		}
		for _, c := range []struct {
			input string
			bound int
			body  func() []byte // one at a time: what is live adds to what is measured
		}{
			{"empty resources, 20 MiB", 64, func() []byte { return hostile.Repeated("", empty(1), "", size) }},
			{"empty items, 20 MiB", 64, func() []byte { return hostile.Within(hostile.Repeated("", empty(2), "", size), 1, 2) }},
			{"empty attributes, 20 MiB", 64, func() []byte { return hostile.Within(hostile.Repeated("", empty(last), "", size), within...) }},
			{"an item of 300,000 attributes", 128, million},
			{"values nested 100,000 deep", 8, func() []byte { return hostile.Within(nested(100_000), append(within, last)...) }},
			{"cut short", 16, func() []byte { return million()[:4*mib] }},
			{"1 MiB of noise", 8, func() []byte { return hostile.Random(2, mib) }},
			{"more than 20 MiB", 64, func() []byte { return hostile.Within(make([]byte, 21*mib), 1, 9) }},
		} {
			body := c.body()
			tb.check(t, "OTLP "+g.name+", HTTP", c.input, c.bound, func() string {
				return post(t, otlp+"/v1/"+g.name, proto, "", bytes.NewReader(body))
			})
			tb.check(t, "OTLP "+g.name+", gRPC", c.input, c.bound, func() string {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var answer []byte
				return status.Code(conn.Invoke(ctx, g.method, &body, &answer, grpc.ForceCodecV2(raw{}))).String()
			})
		}
		for _, c := range []struct {
			input, encoding string
			bound           int
			body            func() []byte
		}{
			{"empty items, 20 MiB", "", 64, func() []byte { return hostile.List(head, "{}", tail, size) }},
			{"empty attributes, 20 MiB", "", 64, func() []byte { return hostile.List(head+g.attributeHead, "{}", g.attributeTail+tail, size) }},
			{"arrays nested 1,000,000 deep", "", 8, func() []byte { return hostile.Nested("[", "", "]", 1_000_000) }},
			{"a name of 19 MiB", "", 192, func() []byte { return hostile.Repeated(head+`{"name":"`, "x", `"}`+tail, 19*mib) }},
			{"cut short", "", 32, func() []byte { return hostile.List(head, `{"name":"a"}`, "", mib) }},
			{"gzip of 100 MiB", "gzip", 64, func() []byte { return hostile.Gzip(endless(100*mib, head+`{"name":"`, "x")) }},
			{"gzip, cut short", "gzip", 8, func() []byte { return hostile.Gzip(endless(mib, head, "x"))[:500] }},
			{"another encoding", "zstd", 8, func() []byte { return hostile.Zstd(endless(mib, head, "x")) }},
		} {
			body := c.body()
			tb.check(t, "OTLP "+g.name+", HTTP, JSON", c.input, c.bound, func() string {
				return post(t, otlp+"/v1/"+g.name, asJSON, c.encoding, bytes.NewReader(body))
			})
		}
	}
	jaegers(t, tb, s)
}

// nested returns an attribute whose value is an array within an array and so on.
func nested(levels int) []byte {
	var reversed []byte // fields are built from the inside; lengths are written backwards
	n := 0
	for range levels {
		for _, number := range []int{1, 5} {
			head := hostile.Field(number, make([]byte, 0))
			head = append(head[:1], lengthOf(n)...)
			for i := len(head) - 1; i >= 0; i-- {
				reversed = append(reversed, head[i])
			}
			n += len(head)
		}
	}
	out := make([]byte, 0, len(reversed))
	for i := len(reversed) - 1; i >= 0; i-- {
		out = append(out, reversed[i])
	}
	return append(hostile.Field(1, []byte("k")), hostile.Field(2, out)...)
}

// lengthOf returns a protobuf varint.
func lengthOf(n int) []byte {
	var b []byte
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// jaegers sends hostile batches to the receivers of Jaeger's clients.
func jaegers(t *testing.T, tb *table, s *stack.Stack) {
	const mib = hostile.MiB
	target := s.Endpoints()[endpoint.JaegerThrift]
	list := func(field byte, n uint32) string {
		return string([]byte{15, 0, field, 12, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	process := "\x0c\x00\x01\x0b\x00\x01\x00\x00\x00\x01a\x00"
	tag := "\x0b\x00\x01\x00\x00\x00\x01k\x08\x00\x02\x00\x00\x00\x00\x00"
	const many = 19 * mib
	for _, c := range []struct {
		input string
		bound int
		body  []byte
	}{
		{"a list that announces 10,000,000 spans", 96, hostile.Repeated(process+list(2, 10_000_000), "\x0c\x00\x63", "", many)},
		{"lists of 10,000,000 within such lists", 96, []byte(process + list(2, 10_000_000) + list(10, 10_000_000) + list(11, 10_000_000) + strings.Repeat("\x00", many))},
		{"a process of 1,000,000 tags", 256, hostile.Repeated("\x0c\x00\x01\x0b\x00\x01\x00\x00\x00\x01a"+list(2, 1_000_000), tag, "\x00"+list(2, 0)+"\x00", 1_000_000*len(tag)+44)},
		{"structs nested 100,000 deep", 16, hostile.Nested("\x0c\x00\x63", "", "\x00", 100_000)},
		{"1 MiB of noise", 16, hostile.Random(3, mib)},
		{"more than 20 MiB", 64, make([]byte, 21*mib)},
	} {
		tb.check(t, "Jaeger Thrift, HTTP", c.input, c.bound, func() string {
			return post(t, target, "application/x-thrift", "", bytes.NewReader(c.body))
		})
	}
	conn, err := net.Dial("udp", s.Endpoints()[endpoint.JaegerUDP])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tb.check(t, "Jaeger Thrift, UDP", "1000 datagrams of noise", 16, func() string {
		for i := range uint64(1000) {
			if _, err := conn.Write(hostile.Random(i, 1000)); err != nil {
				t.Log(err)
			}
		}
		return "counted as malformed"
	})
}
