package jaegerquery

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	jaegertranslator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The JSON that Jaeger's web UI reads. Times are microseconds.
type (
	uiTrace struct {
		TraceID   string               `json:"traceID"`
		Spans     []uiSpan             `json:"spans"`
		Processes map[string]uiProcess `json:"processes"`
		Warnings  []string             `json:"warnings"`
	}
	uiSpan struct {
		TraceID       string        `json:"traceID"`
		SpanID        string        `json:"spanID"`
		Flags         uint32        `json:"flags,omitempty"`
		OperationName string        `json:"operationName"`
		References    []uiReference `json:"references"`
		StartTime     uint64        `json:"startTime"`
		Duration      uint64        `json:"duration"`
		Tags          []uiKeyValue  `json:"tags"`
		Logs          []uiLog       `json:"logs"`
		ProcessID     string        `json:"processID,omitempty"`
		Warnings      []string      `json:"warnings"`
	}
	uiReference struct {
		RefType string `json:"refType"`
		TraceID string `json:"traceID"`
		SpanID  string `json:"spanID"`
	}
	uiProcess struct {
		ServiceName string       `json:"serviceName"`
		Tags        []uiKeyValue `json:"tags"`
	}
	uiLog struct {
		Timestamp uint64       `json:"timestamp"`
		Fields    []uiKeyValue `json:"fields"`
	}
	uiKeyValue struct {
		Key   string `json:"key"`
		Type  string `json:"type,omitempty"`
		Value any    `json:"value"`
	}
)

// The largest integer that JavaScript keeps exact; beyond it a string is sent.
const maxSafeInteger = int64(1)<<53 - 1

// toUITrace converts with the collector's own translator, so that the tags
// which stand for OTLP's fields (span.kind, otel.status_code, error, …) are
// the ones that Jaeger shows.
func toUITrace(td ptrace.Traces) uiTrace {
	warnings := takeWarnings(td)
	out := uiTrace{Spans: []uiSpan{}, Processes: map[string]uiProcess{}}
	keys := map[string]string{}
	for _, batch := range jaegertranslator.ProtoFromTraces(td) {
		process := batch.GetProcess()
		model.KeyValues(process.Tags).Sort()
		identity := process.String()
		key, ok := keys[identity]
		if !ok {
			key = "p" + strconv.Itoa(len(keys)+1)
			keys[identity] = key
			out.Processes[key] = uiProcess{ServiceName: process.GetServiceName(), Tags: toUIKeyValues(process.GetTags())}
		}
		for _, span := range batch.GetSpans() {
			ui := toUISpan(span, key)
			ui.Warnings = warnings[uint64(span.SpanID)]
			out.TraceID = ui.TraceID
			out.Spans = append(out.Spans, ui)
		}
	}
	return out
}

// takeWarnings moves the warnings out of the attributes: this API has a field
// for them.
func takeWarnings(td ptrace.Traces) map[uint64][]string {
	out := map[uint64][]string{}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				w := warningsOf(span)
				if w == nil {
					continue
				}
				id := span.SpanID()
				key := binary.BigEndian.Uint64(id[:])
				out[key] = append(out[key], w...)
				span.Attributes().RemoveIf(func(k string, _ pcommon.Value) bool { return k == warningsAttribute })
			}
		}
	}
	return out
}

func toUISpan(span *model.Span, process string) uiSpan {
	model.KeyValues(span.Tags).Sort()
	ui := uiSpan{
		TraceID:       span.TraceID.String(),
		SpanID:        span.SpanID.String(),
		Flags:         uint32(span.Flags),
		OperationName: span.OperationName,
		References:    make([]uiReference, 0, len(span.References)),
		StartTime:     model.TimeAsEpochMicroseconds(span.StartTime),
		Duration:      model.DurationAsMicroseconds(max(span.Duration, 0)),
		Tags:          toUIKeyValues(span.Tags),
		Logs:          make([]uiLog, len(span.Logs)),
		ProcessID:     process,
	}
	for _, ref := range span.References {
		kind := "CHILD_OF"
		if ref.RefType == model.FollowsFrom {
			kind = "FOLLOWS_FROM"
		}
		ui.References = append(ui.References, uiReference{RefType: kind, TraceID: ref.TraceID.String(), SpanID: ref.SpanID.String()})
	}
	for i, log := range span.Logs {
		ui.Logs[i] = uiLog{Timestamp: model.TimeAsEpochMicroseconds(log.Timestamp), Fields: toUIKeyValues(sortFields(log.Fields))}
	}
	return ui
}

// sortFields puts the event's name first and the rest in order of keys.
func sortFields(fields []model.KeyValue) []model.KeyValue {
	rest := fields
	for i, f := range fields {
		if f.Key == "event" && f.VType == model.StringType {
			fields[0], fields[i] = fields[i], fields[0]
			rest = fields[1:]
			break
		}
	}
	model.KeyValues(rest).Sort()
	return fields
}

func toUIKeyValues(kvs []model.KeyValue) []uiKeyValue {
	out := make([]uiKeyValue, len(kvs))
	for i, kv := range kvs {
		var value any
		switch kv.VType {
		case model.StringType:
			value = kv.VStr
		case model.BoolType:
			value = kv.Bool()
		case model.Int64Type:
			value = kv.Int64()
			if n := kv.Int64(); n > maxSafeInteger || n < -maxSafeInteger {
				value = fmt.Sprintf("%d", n)
			}
		case model.Float64Type:
			value = kv.Float64()
		case model.BinaryType:
			value = kv.Binary()
		default:
			value = kv.AsString()
		}
		out[i] = uiKeyValue{Key: kv.Key, Type: strings.ToLower(kv.VType.String()), Value: value}
	}
	return out
}
