package main

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tenhop/tenhop/middleware/setup/otlpspan"
)

// The adapters record the same on spans that are OTLP from the start.
func TestOurSpansOverOTLP(t *testing.T) {
	cases := map[string][]conformanceCase{
		"http server": serverCases(), "http client": clientCases(), "grpc server": grpcCases(),
		"grpc server stream": rpcCases(streamed, false), "grpc client": rpcCases(unary, true), "grpc client stream": rpcCases(streamed, true),
		"kafka consumer": kafkaCases(), "kafka producer": produceCases(),
	}
	for transport, all := range cases {
		for _, c := range all {
			t.Run(transport+"/"+c.name, func(t *testing.T) {
				want, got := observe(c.ours), observeOTLP(t, c)
				for _, varies := range []string{"hop.self_ms", "correlation_id", "hop.queue_wait_ms", "network.peer.port", "client.port"} {
					if (want[varies] == "") != (got[varies] == "") {
						t.Errorf("%s: SDK %q, OTLP %q", varies, want[varies], got[varies])
					}
					delete(want, varies)
					delete(got, varies)
				}
				if !maps.Equal(want, got) {
					t.Errorf("SDK: %v\nOTLP: %v", want, got)
				}
			})
		}
	}
}

// observeOTLP is observe with a provider of otlpspan.
func observeOTLP(t *testing.T, c conformanceCase) behaviour {
	var last *tracepb.Span
	p, err := otlpspan.New(otlpspan.Config{Export: func(_ context.Context, b []byte, _ int) error {
		rs := &tracepb.ResourceSpans{}
		if err := proto.Unmarshal(b, rs); err != nil {
			return err
		}
		for _, ss := range rs.ScopeSpans {
			last = ss.Spans[len(ss.Spans)-1]
		}
		return nil
	}, Batch: trace.BatchSpanProcessorOptions{MaxQueueSize: 100}})
	if err != nil {
		t.Fatal(err)
	}
	c.ours(p)
	if err := p.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if last == nil {
		return behaviour{"name": "no span"}
	}
	kind := map[tracepb.Span_SpanKind]string{
		tracepb.Span_SPAN_KIND_INTERNAL: "internal", tracepb.Span_SPAN_KIND_SERVER: "server", tracepb.Span_SPAN_KIND_CLIENT: "client",
		tracepb.Span_SPAN_KIND_PRODUCER: "producer", tracepb.Span_SPAN_KIND_CONSUMER: "consumer",
	}[last.Kind]
	b := behaviour{"name": last.Name, "kind": kind, "status": "Ok or Unset"}
	if last.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		b["status"] = "Error"
	}
	for _, a := range last.Attributes {
		b[a.Key] = text(a.Value)
	}
	return b
}

// text returns a value as attribute.Value.Emit does.
func text(v *commonpb.AnyValue) string {
	switch v := v.Value.(type) {
	case *commonpb.AnyValue_IntValue:
		return fmt.Sprint(v.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		return fmt.Sprint(v.DoubleValue)
	case *commonpb.AnyValue_BoolValue:
		return fmt.Sprint(v.BoolValue)
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	}
	return v.String()
}
