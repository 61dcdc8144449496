package jaegerreceiver

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	jaegertranslator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// thriftLimits bounds the lists and strings of a message by its size, so that the
// decoder does not allocate a length that is only announced.
func thriftLimits(size int) *thrift.TConfiguration {
	return &thrift.TConfiguration{MaxMessageSize: int32(min(size, 1<<30)), MaxFrameSize: int32(min(size, 1<<30))}
}

// DecodeBinary decodes a jaeger.thrift Batch in Thrift's binary protocol, the body
// of a POST by Jaeger's clients. Trace IDs keep 128 bits.
func DecodeBinary(ctx context.Context, body []byte) (ptrace.Traces, error) {
	buf := thrift.NewTMemoryBufferLen(0)
	buf.Write(body)
	batch := &jaeger.Batch{}
	if err := batch.Read(ctx, thrift.NewTBinaryProtocolConf(buf, thriftLimits(len(body)))); err != nil {
		return ptrace.Traces{}, fmt.Errorf("decode jaeger batch: %w", err)
	}
	return fromBatch(batch)
}

// DecodeCompactCall decodes an emitBatch call in Thrift's compact protocol, the
// content of a datagram to Jaeger's agent.
func DecodeCompactCall(ctx context.Context, packet []byte) (ptrace.Traces, error) {
	buf := thrift.NewTMemoryBufferLen(0)
	buf.Write(packet)
	p := thrift.NewTCompactProtocolConf(buf, thriftLimits(len(packet)))
	name, _, _, err := p.ReadMessageBegin(ctx)
	if err != nil {
		return ptrace.Traces{}, fmt.Errorf("decode agent call: %w", err)
	}
	if name != "emitBatch" {
		return ptrace.Traces{}, fmt.Errorf("agent call %q is not known", name)
	}
	args := agent.NewAgentEmitBatchArgs()
	if err := args.Read(ctx, p); err != nil {
		return ptrace.Traces{}, fmt.Errorf("decode agent call: %w", err)
	}
	if !args.IsSetBatch() {
		return ptrace.Traces{}, errors.New("agent call carries no batch")
	}
	return fromBatch(args.GetBatch())
}

func fromBatch(b *jaeger.Batch) (ptrace.Traces, error) {
	if len(b.GetSpans()) > 0 && b.GetProcess() == nil {
		return ptrace.Traces{}, errors.New("batch has no process")
	}
	return jaegertranslator.ThriftToTraces(b)
}
