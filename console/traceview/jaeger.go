package traceview

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Jaeger is a trace in the form of Jaeger's query API, /api/traces.
type Jaeger struct {
	TraceID   string             `json:"traceID"`
	Spans     []jaegerSpan       `json:"spans"`
	Processes map[string]process `json:"processes"`
}

type process struct {
	Service string `json:"serviceName"`
	Tags    []tag  `json:"tags"`
}

type jaegerSpan struct {
	SpanID     string `json:"spanID"`
	Operation  string `json:"operationName"`
	References []struct {
		RefType string `json:"refType"`
		TraceID string `json:"traceID"`
		SpanID  string `json:"spanID"`
	} `json:"references"`
	Start    int64 `json:"startTime"` // microseconds since 1970
	Duration int64 `json:"duration"`  // microseconds
	Tags     []tag `json:"tags"`
	Logs     []struct {
		Timestamp int64 `json:"timestamp"`
		Fields    []tag `json:"fields"`
	} `json:"logs"`
	Process string `json:"processID"`
}

type tag struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

func fields(tags []tag) []Field {
	out := make([]Field, 0, len(tags))
	for _, t := range tags {
		var text string
		if json.Unmarshal(t.Value, &text) != nil {
			text = string(t.Value)
		}
		out = append(out, Field{t.Key, text})
	}
	return out
}

// FromJaeger analyses a trace of Jaeger's.
func FromJaeger(t Jaeger) *View {
	spans := make([]*Span, 0, len(t.Spans))
	for _, j := range t.Spans {
		p := t.Processes[j.Process]
		s := &Span{ID: j.SpanID, Service: p.Service, Operation: j.Operation, Kind: kindInternal,
			Start: j.Start, Duration: max(0, j.Duration), Tags: fields(j.Tags), Resource: fields(p.Tags)}
		for _, r := range j.References {
			if r.TraceID == t.TraceID && (s.ParentID == "" || r.RefType == "CHILD_OF") {
				s.ParentID = r.SpanID
			}
		}
		for _, l := range j.Logs {
			s.Events = append(s.Events, Event{l.Timestamp, fields(l.Fields)})
		}
		s.describe()
		spans = append(spans, s)
	}
	return New(t.TraceID, spans)
}

// describe reads kind, failure and peer from the tags.
func (s *Span) describe() {
	if k := s.tag("span.kind"); k != "" {
		s.Kind = strings.ToLower(k)
	}
	s.Failed = s.tag("error") == "true" || strings.EqualFold(s.tag("otel.status_code"), "error")
	for _, key := range []string{"peer.service", "messaging.destination.name", "db.system.name", "db.system", "server.address"} {
		if p := s.tag(key); p != "" && s.call() {
			s.Peer = p
			return
		}
	}
}

// String is the trace in one line, for logs and tests.
func (v *View) String() string {
	return fmt.Sprintf("trace %s: %d spans, %d services, %d µs", v.TraceID, len(v.Spans), len(v.Services), v.Duration)
}
