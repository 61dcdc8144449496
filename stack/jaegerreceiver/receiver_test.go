package jaegerreceiver_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	jaegerclient "github.com/uber/jaeger-client-go"
	"github.com/uber/jaeger-client-go/transport"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/jaegerreceiver"
	"github.com/tenhop/tenhop/stack/otelcol"
)

func batch(spans ...*jaeger.Span) *jaeger.Batch {
	return &jaeger.Batch{Process: &jaeger.Process{ServiceName: "loyalty"}, Spans: spans}
}

func binary(t testing.TB, b *jaeger.Batch) []byte {
	t.Helper()
	buf := thrift.NewTMemoryBuffer()
	if err := b.Write(t.Context(), thrift.NewTBinaryProtocolConf(buf, nil)); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func compactCall(t testing.TB, name string, b *jaeger.Batch) []byte {
	t.Helper()
	buf := thrift.NewTMemoryBuffer()
	p := thrift.NewTCompactProtocolConf(buf, nil)
	if err := errors.Join(
		p.WriteMessageBegin(t.Context(), name, thrift.ONEWAY, 1),
		(&agent.AgentEmitBatchArgs{Batch: b}).Write(t.Context(), p),
		p.WriteMessageEnd(t.Context()),
	); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

var span = &jaeger.Span{TraceIdHigh: 1, TraceIdLow: 2, SpanId: 3, OperationName: "GET /points", StartTime: 1795435200123456, Duration: 7}

func TestHTTP(t *testing.T) {
	const ok = "application/vnd.apache.thrift.binary"
	for name, c := range map[string]struct {
		contentType string
		body        []byte
		refuse      error
		code, spans int
		bad         string
	}{
		"batch":                   {ok, binary(t, batch(span)), nil, 202, 1, ""},
		"older content type":      {"application/x-thrift", binary(t, batch(span)), nil, 202, 1, ""},
		"batch without spans":     {ok, binary(t, batch()), nil, 202, 0, ""},
		"consumer is full":        {ok, binary(t, batch(span)), errors.New("disk full"), 503, 1, ""},
		"spans of no process":     {ok, binary(t, &jaeger.Batch{Spans: []*jaeger.Span{span}}), nil, 400, 0, "malformed"},
		"garbage":                 {ok, []byte("\xff\xff garbage"), nil, 400, 0, "malformed"},
		"cut off":                 {ok, binary(t, batch(span))[:30], nil, 400, 0, "malformed"},
		"list of a billion spans": {ok, []byte{15, 0, 2, 12, 0x3f, 0xff, 0xff, 0xff}, nil, 400, 0, "malformed"},
		"wrong content type":      {"application/json", []byte("{}"), nil, 400, 0, "content_type"},
		"no content type":         {"", nil, nil, 400, 0, "content_type"},
		"oversized":               {ok, make([]byte, 2<<20), nil, 413, 0, "oversized"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []ptrace.Traces
			reg := prometheus.NewRegistry()
			r := jaegerreceiver.New(func(_ context.Context, td ptrace.Traces) error {
				got = append(got, td)
				return c.refuse
			}, otelcol.New(reg), jaegerreceiver.WithMaxBodyBytes(1<<20))
			req := httptest.NewRequest(http.MethodPost, "/api/traces?format=jaeger.thrift", bytes.NewReader(c.body))
			req.Header.Set("Content-Type", c.contentType)
			w := httptest.NewRecorder()
			r.Handler().ServeHTTP(w, req)
			if w.Code != c.code {
				t.Fatalf("status %d, want %d: %s", w.Code, c.code, w.Body)
			}
			spans := 0
			for _, td := range got {
				spans += td.SpanCount()
			}
			if spans != c.spans {
				t.Errorf("%d spans, want %d", spans, c.spans)
			}
			if n := testutil.CollectAndCount(reg, "tenhop_receiver_bad_requests_total"); (n > 0) != (c.bad != "") {
				t.Errorf("%d series of bad requests, want reason %q", n, c.bad)
			}
		})
	}
}

// The client that the legacy service uses, with 128-bit IDs.
func TestJaegerClient(t *testing.T) {
	got := make(chan ptrace.Traces, 1)
	r := jaegerreceiver.New(func(_ context.Context, td ptrace.Traces) error {
		got <- td
		return nil
	}, otelcol.New(prometheus.NewRegistry()))
	srv := httptest.NewServer(r.Handler())
	defer srv.Close()
	tracer, closer := jaegerclient.NewTracer("loyalty", jaegerclient.NewConstSampler(true),
		jaegerclient.NewRemoteReporter(transport.NewHTTPTransport(srv.URL+"/api/traces")),
		jaegerclient.TracerOptions.Gen128Bit(true))
	sent := tracer.StartSpan("GET /points")
	sent.SetTag("correlation_id", "c-1")
	sent.Finish()
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	td := <-got
	rs := td.ResourceSpans().At(0)
	if name, _ := rs.Resource().Attributes().Get("service.name"); name.AsString() != "loyalty" {
		t.Errorf("service %q", name.AsString())
	}
	span := rs.ScopeSpans().At(0).Spans().At(0)
	if want := sent.Context().(jaegerclient.SpanContext).TraceID().String(); span.TraceID().String() != want || len(want) != 32 {
		t.Errorf("trace %s, want %s", span.TraceID(), want)
	}
	if v, _ := span.Attributes().Get("correlation_id"); v.AsString() != "c-1" {
		t.Errorf("tags %v", span.Attributes().AsRaw())
	}
}

func TestUDP(t *testing.T) {
	got := make(chan ptrace.Traces, 1)
	reg := prometheus.NewRegistry()
	r := jaegerreceiver.New(func(_ context.Context, td ptrace.Traces) error {
		got <- td
		return nil
	}, otelcol.New(reg))
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.ServeUDP(conn) }()
	client, err := net.Dial("udp", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, packet := range [][]byte{[]byte("garbage"), compactCall(t, "somethingElse", batch(span)), compactCall(t, "emitBatch", batch(span))} {
		if _, err := client.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	td := <-got
	s := td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
	if s.Name() != "GET /points" || s.StartTimestamp() != 1795435200123456000 || s.EndTimestamp() != 1795435200123463000 {
		t.Errorf("%s from %d to %d", s.Name(), s.StartTimestamp(), s.EndTimestamp())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := errors.Join(r.Close(ctx), conn.Close(), <-served); err != nil {
		t.Error(err)
	}
	if n := testutil.ToFloat64(bad{reg}); n != 2 {
		t.Errorf("%v bad packets counted", n)
	}
}

// bad is the bad-request counter of a registry as the only metric.
type bad struct{ prometheus.Gatherer }

func (b bad) Describe(chan<- *prometheus.Desc) {}

func (b bad) Collect(ch chan<- prometheus.Metric) {
	families, err := b.Gather()
	if err != nil {
		return
	}
	for _, f := range families {
		if f.GetName() == "tenhop_receiver_bad_requests_total" {
			ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("n_total", "n", nil, nil), prometheus.CounterValue, f.GetMetric()[0].GetCounter().GetValue())
		}
	}
}

func FuzzDecodeBinary(f *testing.F) {
	f.Add(binary(f, batch(span)))
	f.Fuzz(func(t *testing.T, body []byte) {
		td, err := jaegerreceiver.DecodeBinary(t.Context(), body)
		if err == nil {
			td.SpanCount()
		}
	})
}

func FuzzDecodeCompactCall(f *testing.F) {
	f.Add(compactCall(f, "emitBatch", batch(span)))
	f.Fuzz(func(t *testing.T, packet []byte) {
		td, err := jaegerreceiver.DecodeCompactCall(t.Context(), packet)
		if err == nil {
			td.SpanCount()
		}
	})
}

// A list that announces more spans than the message can hold is refused before its
// memory is allocated.
func TestAnnouncedList(t *testing.T) {
	process := "\x0c\x00\x01\x0b\x00\x01\x00\x00\x00\x01a\x00"
	body := []byte(process + "\x0f\x00\x02\x0c\x00\x10\x00\x00" + strings.Repeat("\x00", 4<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := jaegerreceiver.DecodeBinary(t.Context(), body)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "announces 1048576 structs") {
		t.Errorf("error %v", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 7<<20 { // the body is copied once
		t.Errorf("%d bytes are allocated", got)
	}
}

// TestDecodingIsBounded sends a batch while another, which is being consumed, has the memory.
func TestDecodingIsBounded(t *testing.T) {
	body := binary(t, batch(span))
	reg := prometheus.NewRegistry()
	entered, release := make(chan struct{}), make(chan struct{})
	r := jaegerreceiver.New(func(context.Context, ptrace.Traces) error { entered <- struct{}{}; <-release; return nil },
		otelcol.New(reg), jaegerreceiver.WithDecodingBytes(100<<10))
	post := func() *httptest.ResponseRecorder {
		w, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/api/traces", bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/x-thrift")
		r.Handler().ServeHTTP(w, req)
		return w
	}
	first := make(chan int)
	go func() { first <- post().Code }()
	<-entered
	if w := post(); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v beside another batch", w.Code, w.Header())
	}
	close(release)
	if code := <-first; code != http.StatusAccepted {
		t.Errorf("%d for the first batch", code)
	}
	go func() { <-entered }()
	if w := post(); w.Code != http.StatusAccepted {
		t.Errorf("%d afterwards", w.Code)
	}
}

// TestMemoryOfABatch decodes the batch that takes the most memory for its size: tags without
// names and values.
func TestMemoryOfABatch(t *testing.T) {
	const most = 20 // times its size
	tags := make([]*jaeger.Tag, 200_000)
	for i := range tags {
		tags[i] = &jaeger.Tag{VType: jaeger.TagType_BOOL}
	}
	body := binary(t, batch(&jaeger.Span{Tags: tags}))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	td, err := jaegerreceiver.DecodeBinary(t.Context(), body)
	runtime.ReadMemStats(&after)
	if err != nil || td.SpanCount() != 1 {
		t.Fatal(err)
	}
	n := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes of memory for a body of %d: %.1f times", n, len(body), float64(n)/float64(len(body)))
	if n > uint64(most*len(body)) {
		t.Errorf("%d bytes of memory for a body of %d", n, len(body))
	}
}
