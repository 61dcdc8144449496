package otlpreceiver_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tenhop/tenhop/stack/otelcol"
	"github.com/tenhop/tenhop/stack/otlpreceiver"
)

// A rejected record must not make the exporter send the others again.
func TestPartialSuccess(t *testing.T) {
	rejected := &otelcol.RejectedError{Count: 1, Reason: "too long"}
	r := otlpreceiver.New(otlpreceiver.Consumer{
		Traces: func(context.Context, ptrace.Traces) error { return rejected },
		Logs:   func(context.Context, plog.Logs) error { return rejected },
	}, otelcol.New(prometheus.NewRegistry()))
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.AppendEmpty()
	records.AppendEmpty()
	request := plogotlp.NewExportRequestFromLogs(logs)

	post := func(path, contentType string, body []byte) *httptest.ResponseRecorder {
		req := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		req.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return w
	}
	logsAnswer := plogotlp.NewExportResponse()
	if err := logsAnswer.UnmarshalProto(post("/v1/logs", "application/x-protobuf", must(t)(request.MarshalProto())).Body.Bytes()); err != nil {
		t.Fatal(err)
	}
	if p := logsAnswer.PartialSuccess(); p.RejectedLogRecords() != 1 || p.ErrorMessage() != "too long" {
		t.Errorf("logs over HTTP: %d rejected, %q", p.RejectedLogRecords(), p.ErrorMessage())
	}
	tracesAnswer := ptraceotlp.NewExportResponse()
	if err := tracesAnswer.UnmarshalJSON(post("/v1/traces", "application/json", must(t)(oneSpan().MarshalJSON())).Body.Bytes()); err != nil {
		t.Fatal(err)
	}
	if n := tracesAnswer.PartialSuccess().RejectedSpans(); n != 1 {
		t.Errorf("spans over HTTP: %d rejected", n)
	}

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
	viaGRPC, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), request)
	if err != nil || viaGRPC.PartialSuccess().RejectedLogRecords() != 1 {
		t.Errorf("logs over gRPC: %v, %v", viaGRPC, err)
	}
	spans, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), oneSpan())
	if err != nil || spans.PartialSuccess().RejectedSpans() != 1 {
		t.Errorf("spans over gRPC: %v, %v", spans, err)
	}
	conn.Close()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
