package jaegerquery

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The largest integer that is exact in JavaScript. Larger ones are sent as strings.
const maxSafeInteger = int64(1)<<53 - 1

// toUITrace converts OTLP like the translator of Jaeger v1.76.0. Fields become
// tags (span.kind, error, otel.status_code, otel.scope.name, w3c.tracestate), and
// span events become logs. Unless raw, tags are sorted and those that describe
// the SDK move to the process.
func toUITrace(td ptrace.Traces, raw bool) uiTrace {
	out := uiTrace{Spans: []uiSpan{}, Processes: map[string]uiProcess{}}
	keys := map[string]string{}
	for _, rs := range td.ResourceSpans().All() {
		shared := "" // key of the process of the spans that add nothing to it
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				own := !raw && hasLibraryAttributes(span)
				key := shared
				if own || key == "" {
					process := toUIProcess(rs.Resource(), span, raw)
					identity := identityOf(process)
					var ok bool
					if key, ok = keys[identity]; !ok {
						key = "p" + strconv.Itoa(len(keys)+1)
						keys[identity] = key
						out.Processes[key] = process
					}
				}
				if !own {
					shared = key
				}
				ui := toUISpan(ss.Scope(), span, raw)
				ui.ProcessID = key
				out.TraceID = ui.TraceID
				out.Spans = append(out.Spans, ui)
			}
		}
	}
	return out
}

// hasLibraryAttributes reports whether a span has attributes that belong to its process.
func hasLibraryAttributes(span ptrace.Span) bool {
	for k := range span.Attributes().All() {
		if libraryAttributes[k] {
			return true
		}
	}
	return false
}

func identityOf(p uiProcess) string {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Sprint(p) // a number that JSON does not have
	}
	return string(b)
}

func toUIProcess(r pcommon.Resource, span ptrace.Span, raw bool) uiProcess {
	p := uiProcess{Tags: []uiKeyValue{}}
	if r.Attributes().Len() == 0 {
		p.ServiceName = "OTLPResourceNoServiceName"
	}
	for k, v := range r.Attributes().All() {
		if k == "service.name" {
			p.ServiceName = v.Str()
			continue
		}
		p.Tags = append(p.Tags, toUIKeyValue(k, v))
	}
	if raw {
		return p
	}
	for k, v := range span.Attributes().All() {
		if libraryAttributes[k] {
			p.Tags = append(p.Tags, toUIKeyValue(k, v))
		}
	}
	sortKeyValues(p.Tags)
	return p
}

func toUISpan(scope pcommon.InstrumentationScope, span ptrace.Span, raw bool) uiSpan {
	ui := uiSpan{
		TraceID:       uiTraceID(span.TraceID()),
		SpanID:        uiSpanID(span.SpanID()),
		OperationName: span.Name(),
		References:    toUIReferences(span),
		StartTime:     uint64(span.StartTimestamp()) / 1000,
		Tags:          toUITags(scope, span, raw),
		Logs:          make([]uiLog, 0, span.Events().Len()),
		Warnings:      warningsOf(span),
	}
	if span.EndTimestamp() > span.StartTimestamp() {
		ui.Duration = uint64(span.EndTimestamp()-span.StartTimestamp()) / 1000
	}
	for _, ev := range span.Events().All() {
		ui.Logs = append(ui.Logs, toUILog(ev, raw))
	}
	return ui
}

func toUITags(scope pcommon.InstrumentationScope, span ptrace.Span, raw bool) []uiKeyValue {
	tags := make([]uiKeyValue, 0, span.Attributes().Len()+6)
	text := func(key, value string) {
		if value != "" {
			tags = append(tags, uiKeyValue{Key: key, Type: "string", Value: value})
		}
	}
	text("otel.scope.name", scope.Name())
	text("otel.scope.version", scope.Version())
	for k, v := range span.Attributes().All() {
		if k != warningsAttribute && (raw || !libraryAttributes[k]) {
			tags = append(tags, toUIKeyValue(k, v))
		}
	}
	if span.Kind() != ptrace.SpanKindUnspecified {
		text("span.kind", strings.ToLower(span.Kind().String()))
	}
	switch span.Status().Code() {
	case ptrace.StatusCodeOk:
		text("otel.status_code", "OK")
	case ptrace.StatusCodeError:
		text("otel.status_code", "ERROR")
		tags = append(tags, uiKeyValue{Key: "error", Type: "bool", Value: true})
	case ptrace.StatusCodeUnset:
	}
	text("otel.status_description", span.Status().Message())
	text("w3c.tracestate", span.TraceState().AsRaw())
	if !raw {
		sortKeyValues(tags)
	}
	return tags
}

// toUIReferences returns the references of a span, the parent first. A link to the
// parent sets the kind of that reference.
func toUIReferences(span ptrace.Span) []uiReference {
	refs := make([]uiReference, 0, span.Links().Len()+1)
	if !span.ParentSpanID().IsEmpty() {
		refs = append(refs, uiReference{RefType: "CHILD_OF", TraceID: uiTraceID(span.TraceID()), SpanID: uiSpanID(span.ParentSpanID())})
	}
	for _, link := range span.Links().All() {
		kind := "FOLLOWS_FROM"
		if v, ok := link.Attributes().Get("opentracing.ref_type"); ok && v.AsString() == "child_of" {
			kind = "CHILD_OF"
		}
		if !span.ParentSpanID().IsEmpty() && link.SpanID() == span.ParentSpanID() && link.TraceID() == span.TraceID() {
			refs[0].RefType = kind
			continue
		}
		refs = append(refs, uiReference{RefType: kind, TraceID: uiTraceID(link.TraceID()), SpanID: uiSpanID(link.SpanID())})
	}
	return refs
}

// toUILog returns the log of an event, the name first. Unless raw, the other
// fields are sorted by key.
func toUILog(ev ptrace.SpanEvent, raw bool) uiLog {
	out := uiLog{Timestamp: uint64(ev.Timestamp()) / 1000, Fields: make([]uiKeyValue, 0, ev.Attributes().Len()+1)}
	if _, named := ev.Attributes().Get("event"); ev.Name() != "" && !named {
		out.Fields = append(out.Fields, uiKeyValue{Key: "event", Type: "string", Value: ev.Name()})
	}
	for k, v := range ev.Attributes().All() {
		out.Fields = append(out.Fields, toUIKeyValue(k, v))
	}
	if raw {
		return out
	}
	slices.SortStableFunc(out.Fields, func(a, b uiKeyValue) int {
		first := func(kv uiKeyValue) int {
			if kv.Key == "event" && kv.Type == "string" {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(a.Key, b.Key))
	})
	return out
}

func toUIKeyValue(key string, v pcommon.Value) uiKeyValue {
	switch v.Type() {
	case pcommon.ValueTypeBool:
		return uiKeyValue{Key: key, Type: "bool", Value: v.Bool()}
	case pcommon.ValueTypeInt:
		n := v.Int()
		if n > maxSafeInteger || n < -maxSafeInteger {
			return uiKeyValue{Key: key, Type: "int64", Value: strconv.FormatInt(n, 10)}
		}
		return uiKeyValue{Key: key, Type: "int64", Value: n}
	case pcommon.ValueTypeDouble:
		return uiKeyValue{Key: key, Type: "float64", Value: jsonFloat(v.Double())}
	case pcommon.ValueTypeBytes:
		return uiKeyValue{Key: key, Type: "binary", Value: v.Bytes().AsRaw()}
	default:
		return uiKeyValue{Key: key, Type: "string", Value: v.AsString()}
	}
}

// jsonFloat returns infinities and NaN as strings. Jaeger fails on them.
func jsonFloat(f float64) any {
	if f-f != 0 { // infinite or not a number
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return f
}

func sortKeyValues(kvs []uiKeyValue) {
	slices.SortStableFunc(kvs, func(a, b uiKeyValue) int { return cmp.Compare(a.Key, b.Key) })
}

// uiTraceID formats a trace ID, without the high 64 bits if they are zero.
func uiTraceID(id pcommon.TraceID) string {
	if binary.BigEndian.Uint64(id[:8]) == 0 {
		return hex.EncodeToString(id[8:])
	}
	return hex.EncodeToString(id[:])
}

func uiSpanID(id pcommon.SpanID) string { return hex.EncodeToString(id[:]) }
