// Package otlp reads traces in the OpenTelemetry protocol, as protobuf and as
// JSON.
//
// The JSON decoder also accepts common deviations from the specification. Field names
// may be in snake_case. Enums may be names. Times and integers may be numbers or
// strings. IDs may be hexadecimal in either case, base64, or AWS X-Ray trace IDs. The
// field instrumentationLibrarySpans of older versions is read like scopeSpans.
package otlp

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/trace"
)

// Unmarshal hands the spans of a TracesData message in protobuf to add. A message
// that is nested too deeply is refused with ErrNesting. A large message is decoded in
// parts; a span of it that would take more than 32 MiB is skipped and reported in the
// error.
func Unmarshal(b []byte, add func(traceID string, s trace.Span)) error {
	if len(b) > HarmlessBytes {
		if _, err := decodedBytes(b, request, partBytes); errors.Is(err, ErrDense) {
			if err := unmarshalParts(b, add); err != nil {
				return fmt.Errorf("not OTLP: %w", err)
			}
			return nil
		} else if err != nil {
			return fmt.Errorf("not OTLP: %w", err)
		}
	}
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b)
	if err != nil {
		return fmt.Errorf("not OTLP: %w", err)
	}
	Spans(td, add)
	return nil
}

// Spans passes the spans of td to add. The spans of one resource share their Resource
// map.
func Spans(td ptrace.Traces, add func(traceID string, s trace.Span)) {
	for _, rs := range td.ResourceSpans().All() {
		resource := attributes(rs.Resource().Attributes())
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				add(s.TraceID().String(), span(s, resource))
			}
		}
	}
}

// Bare returns a span without its service and what may be large: attributes, events,
// resource, message of the status and trace state.
func Bare(s ptrace.Span) trace.Span {
	out := trace.Span{
		Operation: s.Name(), Kind: kind(int64(s.Kind())),
		Start: s.StartTimestamp().AsTime(), Duration: duration(int64(s.StartTimestamp()), int64(s.EndTimestamp())),
		Failed: s.Status().Code() == ptrace.StatusCodeError,
	}
	out.ID, out.Parent = identify(s.SpanID(), s.ParentSpanID())
	return out
}

// identify returns the IDs of a span and of its parent as text, in one allocation. That of
// an empty ID is empty.
func identify(span, parent pcommon.SpanID) (string, string) {
	const size = 2 * len(span)
	var text [2 * size]byte
	hex.Encode(text[:], span[:])
	hex.Encode(text[size:], parent[:])
	switch {
	case span.IsEmpty() && parent.IsEmpty():
		return "", ""
	case span.IsEmpty():
		return "", string(text[size:])
	case parent.IsEmpty():
		return string(text[:size]), ""
	}
	both := string(text[:])
	return both[:size], both[size:]
}

func span(s ptrace.Span, resource map[string]string) trace.Span {
	out := Bare(s)
	out.Service, out.Attributes, out.Resource, out.TraceState = resource[serviceName], attributes(s.Attributes()), resource, s.TraceState().AsRaw()
	if out.Failed {
		out.StatusMessage = s.Status().Message()
	}
	if n := s.Events().Len(); n > 0 {
		out.Events = make([]trace.Event, 0, n)
		for _, e := range s.Events().All() {
			out.Events = append(out.Events, trace.Event{Time: e.Timestamp().AsTime(), Name: e.Name(), Attributes: attributes(e.Attributes())})
		}
	}
	return out
}

const serviceName = "service.name"

// attributes returns the values as text. Values that are not strings are in their JSON
// form.
func attributes(m pcommon.Map) map[string]string {
	out := make(map[string]string, m.Len())
	for k, v := range m.All() {
		out[k] = v.AsString()
	}
	return out
}

// kind returns the Kind for a SpanKind number.
func kind(n int64) trace.Kind {
	if n < 0 || n >= int64(len(kinds)) {
		return ""
	}
	return kinds[n]
}

var kinds = [...]trace.Kind{1: trace.Internal, 2: trace.Server, 3: trace.Client, 4: trace.Producer, 5: trace.Consumer}

// duration returns the time between start and end, which are in nanoseconds. It is 0
// for a span that has not ended, and at most the maximum Duration.
func duration(start, end int64) time.Duration {
	switch d := end - start; {
	case end < start:
		return 0
	case d < 0: // overflow
		return math.MaxInt64
	default:
		return time.Duration(d)
	}
}
