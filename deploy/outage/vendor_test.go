package outage_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// otlpHTTP is an OTLP endpoint that stores request bodies as text, by path.
type otlpHTTP struct {
	mu   sync.Mutex
	got  map[string]string
	team string // x-honeycomb-team of the spans
}

func (o *otlpHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	content, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.got[r.URL.Path] += string(content) // strings are as they are in protobuf
	if strings.HasSuffix(r.URL.Path, "/v1/traces") {
		o.team = r.Header.Get("X-Honeycomb-Team")
	}
}

func (o *otlpHTTP) at(path string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.got[path]
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

// Secrets of the test; none may leave the collector.
var secrets = map[string]string{
	"user.password":                     "hunter2-password",
	"http.request.header.authorization": "Bearer hunter2-bearer",
	"http.request.header.cookie":        "session=hunter2-cookie",
	"payment.api_key":                   "hunter2-key",
	"payment.note":                      "card 4111111111111111 was declined",
	"payment.other":                     "5500005555555559",
	"payment.third":                     "371449635398431",
	"payment.assertion":                 "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
}

// TestVendorByTwoVariables sends a span and a log line with secrets through the
// real collector: with the two variables set the span reaches the vendor with its
// header, and neither the vendor nor Loki sees a secret or a card number.
func TestVendorByTwoVariables(t *testing.T) {
	if os.Getenv("TENHOP_OUTAGE") == "" {
		t.Skip("SKIPPED: the collector was not run; set TENHOP_OUTAGE=short or run make outage")
	}
	backend := &otlpHTTP{got: map[string]string{}}
	server := httptest.NewServer(backend)
	t.Cleanup(server.Close)
	t.Setenv("VENDOR_OTLP_ENDPOINT", server.URL+"/vendor")
	t.Setenv("VENDOR_OTLP_HEADER", "key-of-the-vendor")
	t.Setenv("LOKI_OTLP_ENDPOINT", server.URL+"/loki")
	c := startCollector(t, free(t))

	attributes := []*common.KeyValue{text("app.order", "kept-as-it-is")}
	for key, value := range secrets {
		attributes = append(attributes, text(key, value))
	}
	from := &resource.Resource{Attributes: []*common.KeyValue{text("service.name", "payment")}}
	now := uint64(time.Now().UnixNano())
	conn, err := grpc.NewClient(c.otlp, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = collectortrace.NewTraceServiceClient(conn).Export(ctx, &collectortrace.ExportTraceServiceRequest{ResourceSpans: []*traces.ResourceSpans{{
		Resource: from, ScopeSpans: []*traces.ScopeSpans{{Spans: []*traces.Span{{
			TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), Name: "Charge", Kind: traces.Span_SPAN_KIND_SERVER,
			StartTimeUnixNano: now - 1e6, EndTimeUnixNano: now, Attributes: attributes, Status: &traces.Status{Code: traces.Status_STATUS_CODE_ERROR},
		}}}},
	}}}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	_, err = collectorlogs.NewLogsServiceClient(conn).Export(ctx, &collectorlogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource: from, ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{
			TimeUnixNano: now, Attributes: proto.Clone(&resource.Resource{Attributes: attributes}).(*resource.Resource).GetAttributes(),
			Body: text("", `{"message":"kept-as-it-is","note":"card 4111111111111111"}`).GetValue(),
		}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{"/vendor/v1/traces", "/loki/v1/logs"} {
		until(t, path+" is sent", func() error {
			if !strings.Contains(backend.at(path), "kept-as-it-is") {
				return fmt.Errorf("%d bytes so far", len(backend.at(path)))
			}
			return nil
		})
		for key, secret := range secrets {
			// Of a sentence, only the number is secret.
			secret = strings.TrimSuffix(strings.TrimPrefix(secret, "card "), " was declined")
			if strings.Contains(backend.at(path), secret) {
				t.Errorf("%s got %s as it was: %s", path, key, secret)
			}
		}
	}
	backend.mu.Lock()
	defer backend.mu.Unlock()
	if backend.team != "key-of-the-vendor" {
		t.Errorf("the vendor got the header %q", backend.team)
	}
	if !t.Failed() {
		t.Logf("%d secrets sent; the vendor got %d bytes of spans with its header, Loki %d of logs, none of them with a secret",
			len(secrets), len(backend.got["/vendor/v1/traces"]), len(backend.got["/loki/v1/logs"]))
	}
}
