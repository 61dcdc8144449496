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

// Sizes that a struct of jaeger.thrift has at least, in bytes: a tag without a value.
const (
	minBinaryStruct  = 15
	minCompactStruct = 5
)

// boundedLists is a protocol that refuses a list of more structs than the rest of the
// message can hold. The generated code allocates the length that a list announces, for
// each of the lists within lists.
type boundedLists struct {
	thrift.TProtocol
	message   *thrift.TMemoryBuffer
	minStruct int
}

// ReadListBegin implements thrift.TProtocol.
func (p boundedLists) ReadListBegin(ctx context.Context) (thrift.TType, int, error) {
	elem, n, err := p.TProtocol.ReadListBegin(ctx)
	if err == nil && elem == thrift.STRUCT && n > p.message.Len()/p.minStruct {
		err = thrift.NewTProtocolExceptionWithType(thrift.SIZE_LIMIT, fmt.Errorf("a list announces %d structs, more than the message holds", n))
	}
	return elem, n, err
}

// DecodeBinary decodes a jaeger.thrift Batch in Thrift's binary protocol, the body
// of a POST by Jaeger's clients. Trace IDs keep 128 bits.
func DecodeBinary(ctx context.Context, body []byte) (ptrace.Traces, error) {
	buf := thrift.NewTMemoryBufferLen(0)
	buf.Write(body)
	batch := &jaeger.Batch{}
	p := boundedLists{thrift.NewTBinaryProtocolConf(buf, thriftLimits(len(body))), buf, minBinaryStruct}
	if err := batch.Read(ctx, p); err != nil {
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
	if err := args.Read(ctx, boundedLists{p, buf, minCompactStruct}); err != nil {
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
