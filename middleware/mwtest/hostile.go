package mwtest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tenhop/tenhop/middleware/hop"
)

// mark is in every hostile value that must not become a label.
const mark = "h0st1le"

// hostileHeader is a header that no well-behaved caller sends.
type hostileHeader struct {
	why, name, value string

	again string // a second header of the same name
	raw   bool   // has bytes that some transports refuse
	child bool   // the span belongs to the caller's trace all the same
	keeps bool   // the baggage member tenant=a survives
}

const goodParent = "00-" + testTrace + "-" + testParent + "-01"

func hostileHeaders() []hostileHeader {
	many := func(n int, member func(int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteByte(',')
			b.WriteString(member(i))
		}
		return b.String()
	}
	numbered := func(i int) string { return fmt.Sprintf("%s%d=v", mark, i) }
	return []hostileHeader{
		{why: "not a traceparent", name: "traceparent", value: "00-zz-zz-zz"},
		{why: "a forbidden version", name: "traceparent", value: "ff-" + testTrace + "-" + testParent + "-01"},
		{why: "a version to come", name: "traceparent", value: "01-" + testTrace + "-" + testParent + "-01-" + mark, child: true},
		{why: "a version to come, as long as today's", name: "traceparent", value: "cc-" + testTrace + "-" + testParent + "-01", child: true},
		{why: "more than today's version has", name: "traceparent", value: goodParent + "-" + mark},
		{why: "a trace ID of zeros", name: "traceparent", value: "00-00000000000000000000000000000000-" + testParent + "-01"},
		{why: "a span ID of zeros", name: "traceparent", value: "00-" + testTrace + "-0000000000000000-01"},
		{why: "upper-case digits", name: "traceparent", value: "00-" + strings.ToUpper(testTrace) + "-" + testParent + "-01"},
		{why: "64 kB of traceparent", name: "traceparent", value: goodParent + strings.Repeat("-0", 1<<15)},
		{why: "a NUL in the traceparent", name: "traceparent", value: goodParent + "\x00", raw: true},
		{why: "two traceparents", name: "traceparent", value: goodParent, again: goodParent, child: true},
		{why: "64 kB of tracestate", name: "tracestate", value: many(8<<10, func(i int) string { return fmt.Sprintf("%s%d=v", mark, i) })[1:]},
		{why: "malformed tracestate", name: "tracestate", value: "=,;=" + mark + "\x7f", raw: true},
		{why: "bad escapes", name: "baggage", value: "hop.entry=%zz,hop.start=%00,correlation.id=%0a,tenant=a", keeps: true},
		{why: "control characters as an entry", name: "baggage", value: "hop.entry=" + mark + "%00%0A%1B,hop.start=1790000000000,tenant=a", keeps: true},
		{why: "a long entry", name: "baggage", value: "hop.entry=" + strings.Repeat(mark, 200) + ",hop.start=1790000000000"},
		{why: "an entry that is no ASCII", name: "baggage", value: "hop.entry=" + mark + "%ff%fe,hop.start=1790000000000"},
		{why: "an impossible start", name: "baggage", value: "hop.entry=" + mark + ",hop.start=-99999999999999999999"},
		{why: "an entry without a start", name: "baggage", value: "hop.entry=" + mark},
		{why: "no members", name: "baggage", value: ",;,=,;=;,"},
		{why: "bad members around a good one", name: "baggage", value: "=,;," + mark + ",tenant=a,b ad=1,x=%zz,\"=1", keeps: true},
		{why: "500 members", name: "baggage", value: "tenant=a" + many(500, numbered), keeps: true},
		{why: "10,000 members", name: "baggage", value: "tenant=a" + many(10_000, numbered), keeps: true},
		{why: "10,000 times the same member", name: "baggage", value: "tenant=a" + strings.Repeat(","+mark+"=v", 10_000), keeps: true},
		{why: "64 kB of one member", name: "baggage", value: mark + "=" + strings.Repeat("x", 64<<10)},
		{why: "64 kB behind a good member", name: "baggage", value: "tenant=a," + mark + "=" + strings.Repeat("x", 64<<10), keeps: true},
		{why: "64 kB of commas", name: "baggage", value: "tenant=a" + strings.Repeat(",", 64<<10), keeps: true},
		{why: "two baggage headers", name: "baggage", value: "tenant=a," + mark + "=1", again: "tenant=a,k=v", keeps: true},
		{why: "two baggage headers, one of 64 kB", name: "baggage", value: "tenant=a", again: "tenant=a," + mark + "=" + strings.Repeat("x", 64<<10), keeps: true},
		{why: "a NUL in baggage", name: "baggage", value: "tenant=a," + mark + "=\x00", raw: true, keeps: true},
		{why: "a line break in baggage", name: "baggage", value: "tenant=a," + mark + "=1\r\nX-Admin: 1", raw: true, keeps: true},
		{why: "baggage that is no UTF-8", name: "baggage", value: "tenant=a," + mark + "=\xff\xfe", raw: true, keeps: true},
		{why: "a line break in the correlation ID", name: "x-correlation-id", value: mark + "\r\nX-Admin: 1", raw: true},
		{why: "a correlation ID that is no UTF-8", name: "x-correlation-id", value: mark + "\xff", raw: true},
		{why: "a NUL as the correlation ID", name: "x-correlation-id", value: "\x00", raw: true},
		{why: "64 kB of correlation ID", name: "x-correlation-id", value: strings.Repeat(mark, 8<<10)},
		{why: "two correlation IDs", name: "x-correlation-id", value: "c-1", again: "c-2"},
		{why: "64 kB of request ID", name: "x-request-id", value: strings.Repeat(mark, 8<<10)},
	}
}

func serverHostile(t *testing.T, s Server) {
	for _, c := range hostileHeaders() {
		t.Run(c.why, func(t *testing.T) {
			if c.raw && s.Printable {
				t.Skip("the transport refuses such bytes")
			}
			r, entry, out, tenant, id := New(t), "", "", "", ""
			d := Delivery{Headers: map[string]string{c.name: c.value}, Handle: func(ctx context.Context) error {
				entry, out, id = hop.EntryOf(ctx), hop.Snapshot(ctx)["baggage"], hop.CorrelationID(ctx)
				tenant = baggage.FromContext(ctx).Member("tenant").Value()
				return nil
			}}
			if c.name == "tracestate" {
				d.Headers["traceparent"] = goodParent
				c.child = true
			}
			if c.again != "" {
				d.Again = map[string]string{c.name: c.again}
			}
			s.deliver(t, r, d)
			if sp := s.span(t, r); sp.Parent.IsValid() != c.child {
				t.Errorf("the span has the parent %s", sp.Parent.SpanID())
			}
			if len(entry) > 128 || strings.ContainsFunc(entry, func(c rune) bool { return c < ' ' }) {
				t.Errorf("entry %q", entry)
			}
			if len(out) > 8192 || strings.Count(out, ",") >= 64 || strings.ContainsAny(out, "\r\n\x00") || !utf8.ValidString(out) {
				t.Errorf("the next hop would get %d bytes of baggage: %.80q", len(out), out)
			}
			if !hop.ValidCorrelationID(id) {
				t.Errorf("correlation ID %.80q", id)
			}
			if (tenant == "a") != c.keeps || c.keeps && !strings.Contains(out, "tenant=a") {
				t.Errorf("the member tenant is %q, the next hop would get %.80q", tenant, out)
			}
			if n := r.Count("hop_self_duration_seconds", "operation", s.Operation); n != 1 {
				t.Errorf("%d measurements", n)
			}
			if label := r.labelWith(mark); label != "" {
				t.Errorf("the header is in the label %s", label)
			}
			s.hostileIsBounded(t, c)
		})
	}
}

// hostileIsBounded delivers the header at its length and at four times that. Beyond the
// limits a longer value costs no more than the transport's own copies of it.
func (s Server) hostileIsBounded(t *testing.T, c hostileHeader) {
	if len(c.value) < 32<<10 {
		return
	}
	allocations := func(value string) float64 {
		r := New(t, hop.WithTracerProvider(noop.NewTracerProvider()))
		return testing.AllocsPerRun(3, func() {
			s.Deliver(t, Delivery{Telemetry: r.Telemetry, Headers: map[string]string{c.name: value}, Handle: func(context.Context) error { return nil }})
		})
	}
	one, four := allocations(c.value), allocations(strings.Repeat(c.value+",", 4))
	if four > one*1.5+100 {
		t.Errorf("%.0f allocations for %d bytes, %.0f for four times as many", one, len(c.value), four)
	}
}
