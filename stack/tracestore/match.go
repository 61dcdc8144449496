package tracestore

import (
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// matcher is a query in terms of a segment's index.
type matcher struct {
	service, name       uint32
	anyService, anyName bool
	startMin, startMax  int64
	durMin, durMax      int64
	anyDurMax           bool
	sig                 signature
	attributes          map[string]string // for the exact match
	kind                *uint8
	failed              *bool
}

// matcher translates a query for the segment. It returns false if no span of the
// segment can match. The caller holds the lock.
func (s *segment) matcher(q Query) (matcher, bool) {
	m := matcher{
		anyService: q.Service == "", anyName: q.Operation == "",
		startMin: -1 << 63, startMax: 1<<63 - 1,
		durMin: int64(q.DurationMin), durMax: int64(q.DurationMax), anyDurMax: q.DurationMax == 0,
	}
	ok := true
	if !m.anyService {
		m.service, ok = s.nameOf[q.Service]
	}
	if ok && !m.anyName {
		m.name, ok = s.nameOf[q.Operation]
	}
	if !ok || s.count == 0 {
		return m, false
	}
	if !q.StartMin.IsZero() {
		m.startMin = q.StartMin.UnixNano()
	}
	if !q.StartMax.IsZero() {
		m.startMax = q.StartMax.UnixNano()
	}
	if s.maxStart < m.startMin || s.minStart > m.startMax {
		return m, false
	}
	for k, v := range q.Attributes {
		m.addAttribute(k, v)
	}
	return m, true
}

// addAttribute adds a condition on an attribute. span.kind and error become
// conditions on the index: Jaeger shows both as tags, OTLP has fields for them.
func (m *matcher) addAttribute(key, value string) {
	switch key {
	case "span.kind":
		for k := ptrace.SpanKindUnspecified; k <= ptrace.SpanKindConsumer; k++ {
			if kindName(k) == strings.ToLower(value) {
				kind := uint8(k)
				m.kind = &kind
				return
			}
		}
	case "error":
		if value == "true" || value == "false" {
			failed := value == "true"
			m.failed = &failed
			return
		}
	}
	if m.attributes == nil {
		m.attributes = map[string]string{}
	}
	m.attributes[key] = value
	if _, virtual := virtualAttributes[key]; !virtual {
		m.sig.add(hashAttribute(key, value))
	}
}

// virtualAttributes holds the tags that Jaeger derives from a span's fields.
// Signatures do not contain them.
var virtualAttributes = map[string]func(ptrace.ScopeSpans, ptrace.Span) string{
	"otel.status_code": func(_ ptrace.ScopeSpans, s ptrace.Span) string {
		return strings.ToUpper(s.Status().Code().String())
	},
	"otel.status_description": func(_ ptrace.ScopeSpans, s ptrace.Span) string { return s.Status().Message() },
	"otel.scope.name":         func(ss ptrace.ScopeSpans, _ ptrace.Span) string { return ss.Scope().Name() },
	"otel.scope.version":      func(ss ptrace.ScopeSpans, _ ptrace.Span) string { return ss.Scope().Version() },
	"w3c.tracestate":          func(_ ptrace.ScopeSpans, s ptrace.Span) string { return s.TraceState().AsRaw() },
}

func (m *matcher) index(e *entry, r resource) bool {
	return (m.anyService || r.service == m.service) &&
		(m.anyName || e.name == m.name) &&
		e.start >= m.startMin && e.start <= m.startMax &&
		e.duration >= m.durMin && (m.anyDurMax || e.duration <= m.durMax) &&
		(m.kind == nil || e.kind == *m.kind) &&
		(m.failed == nil || e.failed == *m.failed) &&
		e.sig.or(r.sig).has(m.sig)
}

// exact compares the attributes of the stored span, since a signature may match
// by chance.
func (m *matcher) exact(v *view, e *entry) (bool, error) {
	if len(m.attributes) == 0 {
		return true, nil
	}
	td, err := v.seg.load(e.off, e.resource, v.resources)
	if err != nil {
		return false, err
	}
	rs := td.ResourceSpans().At(0)
	ss := rs.ScopeSpans().At(0)
	if int(e.pos) >= ss.Spans().Len() {
		return false, errTorn
	}
	span := ss.Spans().At(int(e.pos))
	for k, want := range m.attributes {
		if !hasAttribute(rs, ss, span, k, want) {
			return false, nil
		}
	}
	return true, nil
}

func hasAttribute(rs ptrace.ResourceSpans, ss ptrace.ScopeSpans, span ptrace.Span, key, want string) bool {
	if get, ok := virtualAttributes[key]; ok && get(ss, span) == want {
		return true
	}
	is := func(m pcommon.Map) bool {
		v, ok := m.Get(key)
		return ok && v.AsString() == want
	}
	if is(span.Attributes()) || is(ss.Scope().Attributes()) || is(rs.Resource().Attributes()) {
		return true
	}
	for _, ev := range span.Events().All() {
		if is(ev.Attributes()) {
			return true
		}
	}
	return false
}

func kindName(k ptrace.SpanKind) string {
	if k == ptrace.SpanKindUnspecified {
		return ""
	}
	return strings.ToLower(k.String())
}

func sortedKeys(set map[string]struct{}) []string {
	return slices.Sorted(maps.Keys(set))
}
