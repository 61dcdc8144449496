package services_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	jaegerthrift "github.com/uber/jaeger-client-go/thrift-gen/jaeger"

	"github.com/uber/jaeger-client-go/thrift"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/grpc"
)

// span is a span as either exporter reports it.
type span struct {
	service, name     string
	trace, id, parent string
	attributes        map[string]string
}

// collector receives OTLP and Jaeger's Thrift over HTTP.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
	otlp, jaeger string

	mu    sync.Mutex
	spans []span
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	l := listen(t)
	srv := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(srv, c)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	legacy := httptest.NewServer(http.HandlerFunc(c.thrift))
	t.Cleanup(legacy.Close)
	c.otlp, c.jaeger = l.Addr().String(), legacy.URL
	return c
}

func (c *collector) Export(_ context.Context, req *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				attributes := map[string]string{}
				for _, a := range s.GetAttributes() {
					attributes[a.GetKey()] = a.GetValue().GetStringValue()
					if n, ok := a.GetValue().GetValue().(*commonpb.AnyValue_IntValue); ok {
						attributes[a.GetKey()] = strconv.FormatInt(n.IntValue, 10)
					}
				}
				if m := s.GetStatus().GetMessage(); m != "" {
					attributes["status description"] = m
				}
				for _, e := range s.GetEvents() {
					for _, a := range e.GetAttributes() {
						attributes["event "+e.GetName()+" "+a.GetKey()] = a.GetValue().GetStringValue()
					}
				}
				c.spans = append(c.spans, span{service: service, name: s.GetName(), trace: hex.EncodeToString(s.GetTraceId()),
					id: hex.EncodeToString(s.GetSpanId()), parent: hex.EncodeToString(s.GetParentSpanId()), attributes: attributes})
			}
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

func (c *collector) thrift(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	buf := thrift.NewTMemoryBufferLen(len(body))
	_, _ = buf.Write(body) // memory takes everything
	var batch jaegerthrift.Batch
	if err := batch.Read(r.Context(), thrift.NewTBinaryProtocolConf(buf, &thrift.TConfiguration{})); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range batch.Spans {
		attributes := map[string]string{}
		for _, tag := range s.Tags {
			attributes[tag.Key] = tag.GetVStr()
		}
		c.spans = append(c.spans, span{service: batch.Process.ServiceName, name: s.OperationName,
			trace: fmt.Sprintf("%016x%016x", uint64(s.TraceIdHigh), uint64(s.TraceIdLow)),
			id:    fmt.Sprintf("%016x", uint64(s.SpanId)), parent: fmt.Sprintf("%016x", uint64(s.ParentSpanId)), attributes: attributes})
	}
}

// of returns the spans of a trace.
func (c *collector) of(trace string) []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []span
	for _, s := range c.spans {
		if s.trace == trace {
			out = append(out, s)
		}
	}
	return out
}

// tracesOf returns the traces in which a service has a span with this
// correlation ID.
func (c *collector) tracesOf(service, correlation string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	seen := map[string]bool{}
	for _, s := range c.spans {
		if s.service == service && s.attributes["correlation_id"] == correlation && !seen[s.trace] {
			seen[s.trace] = true
			out = append(out, s.trace)
		}
	}
	return out
}
