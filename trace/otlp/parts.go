package otlp

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tenhop/tenhop/trace"
)

// A message that takes more memory than partBytes is decoded in parts of about that
// size. A span that alone takes more than maxSpanBytes is skipped.
const (
	partBytes    = 8 << 20
	maxSpanBytes = 32 << 20
)

// Fields of TracesData, ResourceSpans and ScopeSpans.
const (
	fieldResourceSpans = 1
	fieldResource      = 1
	fieldScopeSpans    = 2
	fieldSpans         = 2
)

// parts decodes a message a few spans at a time.
type parts struct {
	add      func(string, trace.Span)
	resource []byte // field of the current ResourceSpans
	spans    []byte // fields of a ScopeSpans
	bytes    int    // approximate size of spans when they are decoded
	bad      int
	first    error
}

// unmarshalParts is Unmarshal for a large message.
func unmarshalParts(b []byte, add func(string, trace.Span)) error {
	p := &parts{add: add}
	err := fields(b, func(number protowire.Number, content []byte) error {
		if number != fieldResourceSpans {
			return nil
		}
		return p.resourceSpans(content)
	})
	switch {
	case err != nil:
		return err
	case p.bad > 1:
		return fmt.Errorf("%w; %d more spans cannot be read", p.first, p.bad-1)
	}
	return p.first
}

func (p *parts) resourceSpans(b []byte) error {
	p.resource = nil
	err := fields(b, func(number protowire.Number, content []byte) error {
		if number == fieldResource {
			p.resource = appendField(p.resource, fieldResource, content)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := decodedBytes(p.resource, request.fields[1], maxSpanBytes); err != nil {
		return fmt.Errorf("a resource has too many attributes: %w", err)
	}
	err = fields(b, func(number protowire.Number, content []byte) error {
		if number != fieldScopeSpans {
			return nil
		}
		return fields(content, func(number protowire.Number, content []byte) error {
			if number != fieldSpans {
				return nil
			}
			return p.span(content)
		})
	})
	if err != nil {
		return err
	}
	return p.flush()
}

func (p *parts) span(b []byte) error {
	n, err := decodedBytes(b, spanMessage, maxSpanBytes)
	if err != nil {
		if p.bad++; p.first == nil {
			p.first = fmt.Errorf("a span of %d bytes has too many attributes, events or levels and is skipped", len(b))
		}
		return nil
	}
	p.spans = appendField(p.spans, fieldSpans, b)
	if p.bytes += n; p.bytes > partBytes {
		return p.flush()
	}
	return nil
}

// flush decodes the spans that were gathered.
func (p *parts) flush() error {
	if len(p.spans) == 0 {
		return nil
	}
	b := appendField(nil, fieldResourceSpans, appendField(p.resource[:len(p.resource):len(p.resource)], fieldScopeSpans, p.spans))
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b)
	if err != nil {
		return err
	}
	p.spans, p.bytes = p.spans[:0], 0
	Spans(td, p.add)
	return nil
}

func appendField(b []byte, number protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), content)
}

// fields calls f for each field of bytes in a message.
func fields(b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
			continue
		}
		content, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := f(number, content); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
