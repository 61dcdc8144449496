package otlpspan

import (
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// record is what a span in progress records. It is pooled: the span lets go of it when
// it ends.
type record struct {
	buf     []byte // the fields of the Span that are known
	keys    []key  // of the attributes in buf, in order
	mask    uint64 // of the keys' hashes
	dropped int    // attributes

	start       time.Time
	code        codes.Code
	description string

	rare    sdktrace.ReadWriteSpan // records events and links; nil without any
	endTask func()                 // of runtime/trace; may be nil
}

// key is the place of an attribute in a record.
type key struct {
	name  attribute.Key
	start int
	end   int
}

// maxPooled is the capacity in bytes beyond which a buffer is left to the collector.
const maxPooled = 16 << 10

var records = sync.Pool{New: func() any { return &record{buf: make([]byte, 0, 1024), keys: make([]key, 0, 16)} }}

func newRecord() *record { return records.Get().(*record) }

func (r *record) free() {
	if cap(r.buf) > maxPooled {
		return
	}
	clear(r.keys)
	*r = record{buf: r.buf[:0], keys: r.keys[:0]}
	records.Put(r)
}

// begin encodes what is known at the start.
func (r *record) begin(sc, parent trace.SpanContext, kind trace.SpanKind, start time.Time) {
	tid, sid := sc.TraceID(), sc.SpanID()
	b := appendBytes(r.buf, spanTraceID, tid[:])
	b = appendBytes(b, spanSpanID, sid[:])
	if sc.TraceState().Len() > 0 {
		b = appendNonEmpty(b, spanTraceState, sc.TraceState().String())
	}
	if id := parent.SpanID(); id.IsValid() {
		b = appendBytes(b, spanParentSpanID, id[:])
	}
	b = appendFixed32(b, spanFlags, flags(sc, parent))
	b = appendVarint(b, spanKind, uint64(trace.ValidateSpanKind(kind))) // the numbers are the same
	b = appendTime(b, spanStart, start)
	r.buf, r.start = b, start
}

// flags returns the flags of a span or link: the trace flags, and whether of is remote.
func flags(sc, of trace.SpanContext) uint32 {
	const hasRemote = 0x100
	f := uint32(sc.TraceFlags()) | hasRemote
	if of.IsRemote() {
		f |= remoteFlag
	}
	return f
}

const remoteFlag = 0x200

// appendTime leaves out the zero value as proto3 does, and times before 1970.
func appendTime(b []byte, tag uint64, t time.Time) []byte {
	if ns := t.UnixNano(); ns > 0 {
		return appendFixed64(b, tag, uint64(ns))
	}
	return b
}

// set sets attributes as the SDK does: an attribute that is set already is replaced, and
// a new one beyond the limit is dropped. A negative limit is none.
func (r *record) set(p *Provider, attrs []attribute.KeyValue, limit int) {
	for i := range attrs {
		kv := &attrs[i]
		if limit == 0 || !kv.Valid() {
			r.dropped++
			continue
		}
		bit := hash(kv.Key)
		if r.mask&bit != 0 {
			if at := r.index(kv.Key); at >= 0 {
				r.replace(at, p.normal(*kv))
				continue
			}
		}
		if limit > 0 && len(r.keys) >= limit {
			r.dropped++
			continue
		}
		r.mask |= bit
		start := len(r.buf)
		if p.plain(kv.Value) {
			r.buf = appendKeyValue(r.buf, spanAttributes, *kv)
		} else {
			r.buf = appendKeyValue(r.buf, spanAttributes, p.normal(*kv))
		}
		r.keys = append(r.keys, key{kv.Key, start, len(r.buf)})
	}
}

// hash returns a bit by which most keys differ.
func hash(k attribute.Key) uint64 {
	n := len(k)
	return 1 << ((uint(n)*7 + uint(k[n-1])*3 + uint(k[n/2])) % 64)
}

func (r *record) index(k attribute.Key) int {
	for i := range r.keys {
		if r.keys[i].name == k {
			return i
		}
	}
	return -1
}

// replace replaces an attribute in its place.
func (r *record) replace(at int, kv attribute.KeyValue) {
	k, was := &r.keys[at], len(r.buf)
	r.buf = appendKeyValue(r.buf, spanAttributes, kv)
	moved := len(r.buf) - was - (k.end - k.start)
	if moved == 0 {
		copy(r.buf[k.start:], r.buf[was:])
		r.buf = r.buf[:was]
		return
	}
	r.buf = slices.Replace(r.buf[:was], k.start, k.end, slices.Clone(r.buf[was:])...)
	k.end += moved
	for i := at + 1; i < len(r.keys); i++ {
		r.keys[i].start += moved
		r.keys[i].end += moved
	}
}

// finish encodes what is known at the end.
func (r *record) finish(name string, end time.Time) {
	b := appendNonEmpty(r.buf, spanName, name)
	b = appendTime(b, spanEnd, end)
	b = appendNonZero(b, spanDroppedAttributes, r.dropped)
	if r.rare != nil {
		b = appendRare(b, r.rare)
	}
	r.buf = appendStatus(b, r.code, r.description)
}

func appendStatus(b []byte, code codes.Code, description string) []byte {
	const ok, failed = 1, 2
	var s []byte
	switch code {
	case codes.Unset:
		return append(appendTag(b, spanStatus), 0)
	case codes.Ok:
		s = appendVarint(s, statusCode, ok)
	case codes.Error:
		s = appendNonEmpty(s, statusMessage, description)
		s = appendVarint(s, statusCode, failed)
	}
	return appendBytes(b, spanStatus, s)
}

// appendRare encodes the events and links of a span of the SDK. Like the SDK, it has no
// count of what was dropped when nothing is left.
func appendRare(b []byte, s sdktrace.ReadOnlySpan) []byte {
	var one []byte
	events, links := s.Events(), s.Links()
	for _, e := range events {
		one = appendTime(one[:0], eventTime, e.Time)
		one = appendNonEmpty(one, eventName, e.Name)
		for _, kv := range e.Attributes {
			one = appendKeyValue(one, eventAttributes, kv)
		}
		one = appendNonZero(one, eventDropped, e.DroppedAttributeCount)
		b = appendBytes(b, spanEvents, one)
	}
	if len(events) > 0 {
		b = appendNonZero(b, spanDroppedEvents, s.DroppedEvents())
	}
	for _, l := range links {
		tid, sid := l.SpanContext.TraceID(), l.SpanContext.SpanID()
		one = appendBytes(one[:0], linkTraceID, tid[:])
		one = appendBytes(one, linkSpanID, sid[:])
		for _, kv := range l.Attributes {
			one = appendKeyValue(one, linkAttributes, kv)
		}
		one = appendNonZero(one, linkDropped, l.DroppedAttributeCount)
		one = appendFixed32(one, linkFlags, flags(l.SpanContext, l.SpanContext))
		b = appendBytes(b, spanLinks, one)
	}
	if len(links) > 0 {
		b = appendNonZero(b, spanDroppedLinks, s.DroppedLinks())
	}
	return b
}
