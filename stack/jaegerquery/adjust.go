package jaegerquery

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// warningsAttribute is the attribute in which Jaeger returns warnings about a
// span.
const warningsAttribute = "@jaeger@warnings"

// dialect holds the differences between Jaeger's two query APIs: the texts of warnings
// and the key that identifies the host of a span.
type dialect struct {
	missingParent string
	hostKey       func(pcommon.Resource) string
}

var (
	otlpDialect = dialect{
		missingParent: "parent span ID=%s is not in the trace; skipping clock skew adjustment",
		hostKey:       otlpHostKey,
	}
	legacyDialect = dialect{
		missingParent: "invalid parent span IDs=%s; skipping clock skew adjustment",
		hostKey:       legacyHostKey,
	}
)

// adjust applies Jaeger's adjusters to a trace: it sorts attributes, removes
// copies of spans, and adds warnings to spans whose parent is missing or whose
// clock differs from the parent's. As in Jaeger's default configuration, it does
// not change timestamps.
func adjust(td ptrace.Traces, t dialect) {
	for _, rs := range td.ResourceSpans().All() {
		sortMap(rs.Resource().Attributes())
		for _, ss := range rs.ScopeSpans().All() {
			sortMap(ss.Scope().Attributes())
			for _, span := range ss.Spans().All() {
				sortSpan(span)
			}
		}
	}
	removeDuplicates(td)
	checkParents(td, t)
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				removeEmptyLinks(span)
			}
		}
	}
}

func sortSpan(span ptrace.Span) {
	sortMap(span.Attributes())
	span.Events().Sort(func(a, b ptrace.SpanEvent) bool {
		if a.Timestamp() != b.Timestamp() {
			return a.Timestamp() < b.Timestamp()
		}
		return a.Name() < b.Name()
	})
	for _, ev := range span.Events().All() {
		sortMap(ev.Attributes())
	}
	for _, link := range span.Links().All() {
		sortMap(link.Attributes())
	}
}

func sortMap(m pcommon.Map) {
	keys := make([]string, 0, m.Len())
	sorted := true
	for k := range m.All() {
		sorted = sorted && (len(keys) == 0 || keys[len(keys)-1] <= k)
		keys = append(keys, k)
	}
	if sorted {
		return
	}
	slices.Sort(keys)
	keys = slices.Compact(keys) // of attributes with one key, the first counts
	out := pcommon.NewMap()
	out.EnsureCapacity(len(keys))
	for _, k := range keys {
		v, _ := m.Get(k)
		v.MoveTo(out.PutEmpty(k))
	}
	out.MoveTo(m)
}

// removeDuplicates removes identical copies of spans, which exporters create when they
// resend a batch. It keeps spans with equal IDs that differ.
func removeDuplicates(td ptrace.Traces) {
	type hash struct {
		id  pcommon.SpanID
		sum uint64
	}
	seen := map[hash]struct{}{}
	ids := map[pcommon.SpanID]int{}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				ids[span.SpanID()]++
			}
		}
	}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			ss.Spans().RemoveIf(func(span ptrace.Span) bool {
				if ids[span.SpanID()] == 1 {
					return false
				}
				h := hash{span.SpanID(), spanHash(rs.Resource(), ss.Scope(), span)}
				_, dup := seen[h]
				seen[h] = struct{}{}
				return dup
			})
		}
	}
}

func spanHash(r pcommon.Resource, s pcommon.InstrumentationScope, span ptrace.Span) uint64 {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	r.CopyTo(rs.Resource())
	ss := rs.ScopeSpans().AppendEmpty()
	s.CopyTo(ss.Scope())
	span.CopyTo(ss.Spans().AppendEmpty())
	h := fnv.New64a()
	if b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td); err == nil {
		_, _ = h.Write(b) // a hash never fails
	}
	return h.Sum64()
}

type node struct {
	span ptrace.Span
	host string
}

// checkParents compares each span with its parent. Parents may form a cycle.
func checkParents(td ptrace.Traces, t dialect) {
	nodes := map[pcommon.SpanID]node{}
	var order []node
	for _, rs := range td.ResourceSpans().All() {
		host := t.hostKey(rs.Resource())
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				if _, dup := nodes[span.SpanID()]; dup {
					Warn(span, "duplicate span IDs; skipping clock skew adjustment")
					continue
				}
				n := node{span, host}
				nodes[span.SpanID()] = n
				order = append(order, n)
			}
		}
	}
	for _, n := range order {
		if n.span.ParentSpanID().IsEmpty() {
			continue
		}
		parent, ok := nodes[n.span.ParentSpanID()]
		if !ok {
			Warn(n.span, fmt.Sprintf(t.missingParent, n.span.ParentSpanID()))
			continue
		}
		if d := skewOf(n, parent, nodes); d != 0 {
			Warn(n.span, fmt.Sprintf("clock skew adjustment disabled; not applying calculated delta of %v", d))
		}
	}
}

// skewOf returns the estimated clock skew between n and its parent. Spans of a
// host have the skew of the first of them on the path from the root.
func skewOf(n, parent node, nodes map[pcommon.SpanID]node) time.Duration {
	for range len(nodes) { // bounded: parents may form a cycle
		if n.host == "" || n.host != parent.host {
			return delta(n.span, parent.span)
		}
		grandparent, ok := nodes[parent.span.ParentSpanID()]
		if !ok {
			return 0
		}
		n, parent = parent, grandparent
	}
	return 0
}

func delta(child, parent ptrace.Span) time.Duration {
	start, end := child.StartTimestamp().AsTime(), child.EndTimestamp().AsTime()
	pStart, pEnd := parent.StartTimestamp().AsTime(), parent.EndTimestamp().AsTime()
	duration, pDuration := end.Sub(start), pEnd.Sub(pStart)
	if duration > pDuration {
		if start.Before(pStart) {
			return pStart.Sub(start)
		}
		return 0
	}
	if !start.Before(pStart) && !end.After(pEnd) {
		return 0
	}
	return pStart.Add((pDuration - duration) / 2).Sub(start)
}

func removeEmptyLinks(span ptrace.Span) {
	span.Links().RemoveIf(func(l ptrace.SpanLink) bool {
		if !l.TraceID().IsEmpty() {
			return false
		}
		Warn(span, "Invalid span link removed")
		return true
	})
}

// libraryAttributes holds the attributes that describe the SDK. They belong to the
// resource; some SDKs set them on spans.
var libraryAttributes = map[string]bool{
	"telemetry.sdk.language":   true,
	"telemetry.sdk.name":       true,
	"telemetry.sdk.version":    true,
	"telemetry.distro.name":    true,
	"telemetry.distro.version": true,
}

func moveLibraryAttributes(td ptrace.Traces) {
	for _, rs := range td.ResourceSpans().All() {
		resource := rs.Resource().Attributes()
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				var conflicts []string
				span.Attributes().RemoveIf(func(k string, v pcommon.Value) bool {
					if !libraryAttributes[k] {
						return false
					}
					if old, ok := resource.Get(k); ok && !old.Equal(v) {
						conflicts = append(conflicts, k)
						return false
					}
					v.CopyTo(resource.PutEmpty(k))
					return true
				})
				for _, k := range conflicts {
					Warn(span, "conflicting values between Span and Resource for attribute "+k)
				}
			}
		}
	}
}

// Warn adds a warning to a span, which Jaeger's APIs return.
func Warn(span ptrace.Span, text string) {
	if v, ok := span.Attributes().Get(warningsAttribute); ok && v.Type() == pcommon.ValueTypeSlice {
		v.Slice().AppendEmpty().SetStr(text)
		return
	}
	span.Attributes().PutEmptySlice(warningsAttribute).AppendEmpty().SetStr(text)
}

func warningsOf(span ptrace.Span) []string {
	v, ok := span.Attributes().Get(warningsAttribute)
	if !ok {
		return nil
	}
	if v.Type() != pcommon.ValueTypeSlice {
		return []string{v.AsString()}
	}
	out := make([]string, 0, v.Slice().Len())
	for _, w := range v.Slice().All() {
		out = append(out, w.AsString())
	}
	return out
}

func otlpHostKey(r pcommon.Resource) string {
	for _, key := range []string{"host.id", "host.ip", "host.name"} {
		v, ok := r.Attributes().Get(key)
		if !ok {
			continue
		}
		if v.Type() == pcommon.ValueTypeSlice {
			if v.Slice().Len() == 0 {
				return ""
			}
			return v.Slice().At(0).AsString()
		}
		return v.AsString()
	}
	return ""
}

func legacyHostKey(r pcommon.Resource) string {
	v, ok := r.Attributes().Get("ip")
	if !ok {
		return ""
	}
	return strings.TrimSpace(v.AsString())
}
