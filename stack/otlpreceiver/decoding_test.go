package otlpreceiver_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/stack/otelcol"
	"github.com/tenhop/tenhop/stack/otlpreceiver"
)

// Requests of all connections share one bound of memory until they are consumed. One that
// does not fit beside others may be sent again.
func TestDecodingIsBounded(t *testing.T) {
	const spans = 1000 // about 300 KB in memory
	td := ptrace.NewTraces()
	list := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for range spans {
		list.AppendEmpty()
	}
	large := ptraceotlp.NewExportRequestFromTraces(td)
	entered, release := make(chan struct{}, 9), make(chan struct{})
	reg := prometheus.NewRegistry()
	r := otlpreceiver.New(otlpreceiver.Consumer{Traces: func(_ context.Context, td ptrace.Traces) error {
		if td.SpanCount() == spans {
			entered <- struct{}{}
			<-release
		}
		return nil
	}}, otelcol.New(reg), otlpreceiver.WithDecodingBytes(500_000))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.ServeGRPC(l) }()
	t.Cleanup(func() { _ = r.Close(context.WithoutCancel(t.Context())) })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	export := func(request ptraceotlp.ExportRequest, opts ...grpc.CallOption) codes.Code {
		_, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), request, opts...)
		return status.Code(err)
	}
	post := func(contentType string, body []byte) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodPost, "/v1/traces", bytes.NewReader(body))
		req.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		return w
	}

	first := make(chan codes.Code, 1)
	go func() { first <- export(large) }()
	<-entered
	if code := export(large); code != codes.Unavailable {
		t.Errorf("gRPC: %v beside another request", code)
	}
	for contentType, body := range map[string][]byte{"application/x-protobuf": must(t)(large.MarshalProto()), "application/json": must(t)(large.MarshalJSON())} {
		if w := post(contentType, body); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %v beside another request", contentType, w.Code, w.Header())
		}
	}
	for _, opts := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}} {
		if code := export(oneSpan(), opts...); code != codes.OK {
			t.Errorf("gRPC %v: %v for a request that fits", opts, code)
		}
	}
	if n := counter(t, reg, "tenhop_receiver_bad_requests_total", "grpc"); n != 1 {
		t.Errorf("%v requests are counted", n)
	}
	close(release)
	if code := <-first; code != codes.OK {
		t.Errorf("the first request: %v", code)
	}
	for range 3 { // all memory is free again
		if code := export(large); code != codes.OK {
			t.Errorf("gRPC: %v afterwards", code)
		}
		if w := post("application/x-protobuf", must(t)(large.MarshalProto())); w.Code != http.StatusOK {
			t.Errorf("HTTP: %d afterwards", w.Code)
		}
	}
}

// Bodies that do not end take memory as they arrive, and give it back.
func TestBodiesAreBounded(t *testing.T) {
	r := otlpreceiver.New((&sink{}).consumer(), otelcol.New(prometheus.NewRegistry()), otlpreceiver.WithDecodingBytes(1<<20))
	post := func(body io.Reader) int {
		req := httptest.NewRequest(http.MethodPost, "/v1/traces", body)
		req.Header.Set("Content-Type", "application/x-protobuf")
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		return w.Code
	}
	slow, more := io.Pipe()
	first := make(chan int, 1)
	go func() { first <- post(slow) }()
	for _, n := range []int{800 << 10, 1} { // the second is read when the memory of the first is taken
		if _, err := more.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if code := post(bytes.NewReader(make([]byte, 300<<10))); code != http.StatusServiceUnavailable {
		t.Errorf("%d beside a body of 800 KiB", code)
	}
	if code := post(bytes.NewReader(must(t)(oneSpan().MarshalProto()))); code != http.StatusOK {
		t.Errorf("%d for a small body", code)
	}
	_ = more.CloseWithError(io.ErrUnexpectedEOF)
	if code := <-first; code != http.StatusBadRequest {
		t.Errorf("%d for a body that is cut short", code)
	}
	if code := post(bytes.NewReader(make([]byte, 300<<10))); code == http.StatusServiceUnavailable {
		t.Errorf("%d afterwards", code)
	}
}
