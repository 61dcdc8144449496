package adapter_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

func quiet(t testing.TB, opts ...hop.Option) *hop.Telemetry {
	t.Helper()
	tel, err := hop.New(append([]hop.Option{hop.WithServiceName("fuzz"), hop.WithRegistry(prometheus.NewRegistry()),
		hop.WithZerolog(zerolog.New(io.Discard))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return tel
}

// begin runs headers through our own extract path, ends the hop and returns
// what the next hop would be sent.
func begin(t *testing.T, tel *hop.Telemetry, header http.Header) (trace.SpanContext, http.Header) {
	t.Helper()
	ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "op", Header: header})
	if !hop.ValidCorrelationID(h.CorrelationID()) {
		t.Errorf("correlation ID %q", h.CorrelationID())
	}
	if !utf8.ValidString(h.Entry()) || len(h.Entry()) > 128 {
		t.Errorf("entry %q", h.Entry())
	}
	out := http.Header{}
	_, call := tel.Core().BeginCall(ctx, adapter.Outgoing{SpanName: "call"})
	call.InjectHeader(ctx, out)
	for k, v := range out {
		if strings.ContainsAny(v[0], "\r\n\x00") {
			t.Errorf("%s would be sent as %q", k, v)
		}
	}
	call.End(adapter.Outcome{})
	h.End(adapter.Outcome{})
	return h.Span().SpanContext(), out
}

// FuzzTraceparent holds our parser against OpenTelemetry's.
func FuzzTraceparent(f *testing.F) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, s := range []string{good, good + "-x", "01" + good[2:] + "-x", "ff" + good[2:], strings.ToUpper(good), good[:54] + "4", "", good[:20]} {
		f.Add(s, "a=b,c=d")
	}
	f.Fuzz(func(t *testing.T, parent, state string) {
		tel := quiet(t)
		header := http.Header{"Traceparent": {parent}, "Tracestate": {state}}
		got := tel.Core().SpanContextOf(propagation.HeaderCarrier(header))
		want := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(header)))
		if got.TraceID() != want.TraceID() || got.SpanID() != want.SpanID() || got.TraceFlags() != want.TraceFlags() {
			t.Errorf("%q: ours %v, OpenTelemetry's %v", parent, got, want)
		}
		begin(t, tel, header)
	})
}

func FuzzBaggage(f *testing.F) {
	for _, s := range []string{"a=b", "hop.entry=POST%20/x,hop.start=1,hop.flow=async", "correlation.id=%00", "a=b;c=d;e,=,;", strings.Repeat("a=b,", 80)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, out := begin(t, quiet(t), http.Header{"Baggage": {s}})
		if b := out.Get("Baggage"); len(b) > 4*8192 || strings.Count(b, ",") > 70 {
			t.Errorf("%d bytes, %d members go on", len(b), strings.Count(b, ","))
		}
	})
}

func FuzzCorrelationID(f *testing.F) {
	f.Add("a-1", "r-1")
	f.Add("ü\x00", strings.Repeat("x", 200))
	f.Fuzz(func(t *testing.T, id, request string) {
		_, out := begin(t, quiet(t), http.Header{"X-Correlation-Id": {id}, "X-Request-Id": {request}})
		if hop.ValidCorrelationID(id) && out.Get("X-Correlation-ID") != id {
			t.Errorf("%q goes on as %q", id, out.Get("X-Correlation-ID"))
		}
	})
}

func FuzzUberTraceID(f *testing.F) {
	f.Add("0af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1", "a%20b")
	f.Add("1:2:0:%", "%zz")
	f.Add(":::", "\x00")
	f.Fuzz(func(t *testing.T, id, member string) {
		begin(t, quiet(t, hop.WithAccept(hop.Jaeger{})), http.Header{"Uber-Trace-Id": {id}, "Uberctx-K": {member}})
	})
}

func FuzzB3(f *testing.F) {
	f.Add("0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", "", "", "")
	f.Add("", "8448eb211c80319c", "b7ad6b7169203331", "1")
	f.Add("0", "x", "-", "d")
	f.Fuzz(func(t *testing.T, single, tid, sid, sampled string) {
		begin(t, quiet(t, hop.WithAccept(hop.B3{})), http.Header{"B3": {single}, "X-B3-Traceid": {tid}, "X-B3-Spanid": {sid}, "X-B3-Sampled": {sampled}})
	})
}
