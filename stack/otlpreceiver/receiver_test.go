package otlpreceiver_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/stack/otelcol"
	"github.com/tenhop/tenhop/stack/otlpreceiver"
)

// sink keeps what it is given, or refuses it.
type sink struct {
	mu     sync.Mutex
	traces []ptrace.Traces
	logs   int
	err    error
}

func (s *sink) consumer() otlpreceiver.Consumer {
	return otlpreceiver.Consumer{
		Traces: func(_ context.Context, td ptrace.Traces) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.traces = append(s.traces, td)
			return s.err
		},
		Logs: func(_ context.Context, ld plog.Logs) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.logs += ld.LogRecordCount()
			return s.err
		},
	}
}

func oneSpan() ptraceotlp.ExportRequest {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "payment")
	span := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	span.SetTraceID(pcommon.TraceID{1, 15: 2})
	span.SetSpanID(pcommon.SpanID{3})
	span.SetName("Charge")
	span.SetStartTimestamp(1795435200123456789) // nanoseconds must stay exact
	return ptraceotlp.NewExportRequestFromTraces(td)
}

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func must(t testing.TB) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func TestHTTP(t *testing.T) {
	proto := must(t)(oneSpan().MarshalProto())
	json := must(t)(oneSpan().MarshalJSON())
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("hello")
	logProto := must(t)(plogotlp.NewExportRequestFromLogs(logs).MarshalProto())

	for name, c := range map[string]struct {
		method, path, contentType, encoding string
		body                                []byte
		refuse                              error
		code                                int
		spans, logs                         int
		bad                                 string
	}{
		"protobuf":                  {path: "/v1/traces", contentType: "application/x-protobuf", body: proto, code: 200, spans: 1},
		"protobuf, gzip":            {path: "/v1/traces", contentType: "application/x-protobuf", encoding: "gzip", body: zip(t, proto), code: 200, spans: 1},
		"JSON":                      {path: "/v1/traces", contentType: "application/json; charset=utf-8", body: json, code: 200, spans: 1},
		"JSON, gzip":                {path: "/v1/traces", contentType: "application/json", encoding: "gzip", body: zip(t, json), code: 200, spans: 1},
		"empty request":             {path: "/v1/traces", contentType: "application/x-protobuf", code: 200},
		"logs":                      {path: "/v1/logs", contentType: "application/x-protobuf", body: logProto, code: 200, logs: 1},
		"consumer is full":          {path: "/v1/traces", contentType: "application/x-protobuf", body: proto, refuse: errors.New("disk full"), code: 503, spans: 1},
		"garbage protobuf":          {path: "/v1/traces", contentType: "application/x-protobuf", body: []byte("\xff\xff garbage"), code: 400, bad: "malformed"},
		"garbage JSON":              {path: "/v1/traces", contentType: "application/json", body: []byte("{"), code: 400, bad: "malformed"},
		"garbage gzip":              {path: "/v1/traces", contentType: "application/json", encoding: "gzip", body: json, code: 400, bad: "malformed"},
		"gzip cut off":              {path: "/v1/traces", contentType: "application/json", encoding: "gzip", body: zip(t, json)[:20], code: 400, bad: "malformed"},
		"unknown encoding":          {path: "/v1/traces", contentType: "application/json", encoding: "br", body: json, code: 400, bad: "malformed"},
		"wrong content type":        {path: "/v1/traces", contentType: "text/plain", body: proto, code: 415, bad: "content_type"},
		"no content type":           {path: "/v1/traces", body: proto, code: 415, bad: "content_type"},
		"oversized":                 {path: "/v1/traces", contentType: "application/json", body: make([]byte, 2<<20), code: 413, bad: "oversized"},
		"bomb: small, but unpacked": {path: "/v1/traces", contentType: "application/json", encoding: "gzip", body: zip(t, make([]byte, 8<<20)), code: 413, bad: "oversized"},
		"wrong method":              {method: http.MethodGet, path: "/v1/traces", code: 405},
		"unknown path":              {path: "/v1/profiles", contentType: "application/json", code: 404},
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			s := &sink{err: c.refuse}
			r := otlpreceiver.New(s.consumer(), otelcol.New(reg), otlpreceiver.WithMaxBodyBytes(1<<20))
			method := c.method
			if method == "" {
				method = http.MethodPost
			}
			req := httptest.NewRequest(method, c.path, bytes.NewReader(c.body))
			req.Header.Set("Content-Type", c.contentType)
			req.Header.Set("Content-Encoding", c.encoding)
			w := httptest.NewRecorder()
			r.Handler().ServeHTTP(w, req)
			if w.Code != c.code {
				t.Fatalf("status %d, want %d: %s", w.Code, c.code, w.Body)
			}
			got := 0
			for _, td := range s.traces {
				got += td.SpanCount()
			}
			if got != c.spans || s.logs != c.logs {
				t.Errorf("%d spans and %d logs, want %d and %d", got, s.logs, c.spans, c.logs)
			}
			if c.spans > 0 {
				span := s.traces[0].ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
				if span.StartTimestamp() != 1795435200123456789 || span.TraceID() != (pcommon.TraceID{1, 15: 2}) {
					t.Errorf("span came as %v %v", span.StartTimestamp(), span.TraceID())
				}
			}
			outcome := "accepted"
			if c.refuse != nil {
				outcome = "refused"
			}
			if n := counter(t, reg, "otelcol_receiver_"+outcome+"_spans", "http"); n != float64(c.spans) {
				t.Errorf("counted %v spans as %s", n, outcome)
			}
			if n := testutil.CollectAndCount(reg, "tenhop_receiver_bad_requests_total"); (n > 0) != (c.bad != "") {
				t.Errorf("%d series of bad requests, want reason %q", n, c.bad)
			}
		})
	}
}

// counter sums a family over the series of a transport.
func counter(t *testing.T, g prometheus.Gatherer, name, transport string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "transport" && l.GetValue() == transport {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// raw sends bytes as they are.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (raw) Unmarshal([]byte, any) error { return nil }

func TestGRPC(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := &sink{}
	r := otlpreceiver.New(s.consumer(), otelcol.New(reg), otlpreceiver.WithMaxBodyBytes(1<<20))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.ServeGRPC(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	if _, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), oneSpan()); err != nil {
		t.Fatal(err)
	}
	send := func(body []byte) codes.Code {
		var reply []byte
		return status.Code(conn.Invoke(t.Context(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export", &body, &reply, grpc.ForceCodec(raw{})))
	}
	if code := send([]byte("\xff\xff garbage")); code != codes.Internal {
		t.Errorf("garbage: %v", code)
	}
	if code := send(make([]byte, 2<<20)); code != codes.ResourceExhausted {
		t.Errorf("oversized: %v", code)
	}
	s.mu.Lock()
	s.err = errors.New("disk full")
	s.mu.Unlock()
	if _, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), oneSpan()); status.Code(err) != codes.Unavailable {
		t.Errorf("refused: %v", err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	want := `
# HELP tenhop_receiver_bad_requests_total Requests that a receiver could not decode: malformed, oversized or of an unknown content type.
# TYPE tenhop_receiver_bad_requests_total counter
tenhop_receiver_bad_requests_total{reason="malformed",receiver="otlp",transport="grpc"} 1
tenhop_receiver_bad_requests_total{reason="oversized",receiver="otlp",transport="grpc"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "tenhop_receiver_bad_requests_total"); err != nil {
		t.Error(err)
	}
	if a, b := counter(t, reg, "otelcol_receiver_accepted_spans", "grpc"), counter(t, reg, "otelcol_receiver_refused_spans", "grpc"); a != 1 || b != 1 {
		t.Errorf("accepted %v, refused %v", a, b)
	}
}

// Whatever is sent, the answer is a status, never a panic.
func FuzzHTTP(f *testing.F) {
	f.Add(must(f)(oneSpan().MarshalProto()), "application/x-protobuf", false)
	f.Add(must(f)(oneSpan().MarshalJSON()), "application/json", false)
	f.Add(zip(f, []byte("{}")), "application/json", true)
	h := otlpreceiver.New((&sink{}).consumer(), otelcol.New(prometheus.NewRegistry())).Handler()
	f.Fuzz(func(t *testing.T, body []byte, contentType string, zipped bool) {
		req := httptest.NewRequest(http.MethodPost, "/v1/traces", io.NopCloser(bytes.NewReader(body)))
		req.Header["Content-Type"] = []string{contentType}
		if zipped {
			req.Header.Set("Content-Encoding", "gzip")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
	})
}
