package mwtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

// Server describes the side of an adapter that handles messages, for TestServer.
type Server struct {
	// Deliver delivers one message to d.Handle through the adapter. It returns the
	// headers of the response, with lower-case names, or nil when the transport has
	// no response. It returns after the adapter has reported the message. When
	// d.Handle returns an error, the message must fail in the usual way of the
	// transport. A panic of d.Handle may reach the caller of Deliver.
	Deliver func(t *testing.T, d Delivery) (response map[string]string)

	Operation string         // of the delivered message
	Kind      trace.SpanKind // trace.SpanKindServer or trace.SpanKindConsumer
	Family    string         // the transport's duration histogram; it has a label error_type

	Skips     bool // the adapter can omit signals; Deliver honors Delivery.Skip
	Printable bool // the transport refuses headers with bytes that are not printable ASCII

	Public bool // the adapter supports untrusted callers; Deliver honors Delivery.Public
}

// Delivery is one message for Server.Deliver.
type Delivery struct {
	Telemetry *hop.Telemetry
	Headers   map[string]string // names are lower-case
	Again     map[string]string // second values of headers, where the transport repeats names
	Skip      hop.Signals
	Public    bool
	Handle    func(context.Context) error
}

const (
	testTrace  = "0af7651916cd43dd8448eb211c80319c"
	testParent = "b7ad6b7169203331"
	testID     = "ticket-4711"
)

// TestServer tests the contract of an adapter's server side: correlation ID, trace
// context, entry, self time, errors, panics and hostile headers, in spans, metrics
// and log lines.
func TestServer(t *testing.T, s Server) {
	for name, test := range map[string]func(*testing.T, Server){
		"correlation ID":    serverCorrelation,
		"trace context":     serverTrace,
		"unsampled trace":   serverUnsampled,
		"entry":             serverEntry,
		"self time":         serverSelfTime,
		"error":             serverError,
		"panic":             serverPanic,
		"left-out signals":  serverSkip,
		"untrusted callers": serverPublic,
		"hostile headers":   serverHostile,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

// deliver delivers one message, recovers a panic of the handler, and fails the test
// unless the handler was called once and all spans have ended.
func (s Server) deliver(t *testing.T, r *Recorder, d Delivery) (response map[string]string) {
	t.Helper()
	handle, called := d.Handle, 0
	d.Telemetry = r.Telemetry
	d.Handle = func(ctx context.Context) error {
		called++
		if handle == nil {
			return nil
		}
		return handle(ctx)
	}
	func() {
		defer func() { _ = recover() }()
		response = s.Deliver(t, d)
	}()
	if called != 1 {
		t.Errorf("the handler was called %d times", called)
	}
	if n := r.OpenSpans(); n != 0 {
		t.Errorf("%d spans have not ended", n)
	}
	return response
}

// span returns the one span of the server's kind.
func (s Server) span(t *testing.T, r *Recorder) Span {
	t.Helper()
	return oneSpan(t, r, s.Kind, "")
}

// line returns the first log line. It fails the test when there is none.
func (r *Recorder) line(t *testing.T) map[string]any {
	t.Helper()
	lines := r.Lines()
	if len(lines) == 0 {
		t.Fatal("the handler left no log line, want one per message")
	}
	return lines[0]
}

// oneSpan returns the one span of the kind, and of the name unless that is "".
func oneSpan(t *testing.T, r *Recorder, kind trace.SpanKind, name string) Span {
	t.Helper()
	var found []Span
	for _, sp := range r.Spans() {
		if sp.Kind == kind && (name == "" || sp.Name == name) {
			found = append(found, sp)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d %v spans, want 1: %+v", len(found), kind, found)
	}
	return found[0]
}

func serverCorrelation(t *testing.T, s Server) {
	for _, c := range []struct {
		why     string
		headers map[string]string
		want    string // "" means a generated one
	}{
		{"accepted from the caller", map[string]string{"x-correlation-id": testID}, testID},
		{"fallback to the request ID", map[string]string{"x-request-id": testID}, testID},
		{"fallback to baggage", map[string]string{"baggage": "correlation.id=" + testID}, testID},
		{"generated when absent", nil, ""},
		{"generated when invalid", map[string]string{"x-correlation-id": "two words"}, ""},
		{"generated when too long", map[string]string{"x-correlation-id": strings.Repeat("x", 129)}, ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			r, got := New(t), ""
			response := s.deliver(t, r, Delivery{Headers: c.headers, Handle: func(ctx context.Context) error {
				got = hop.CorrelationID(ctx)
				hop.Logger(ctx).Info("in the handler")
				return nil
			}})
			if c.want == "" && (len(got) != 36 || !hop.ValidCorrelationID(got)) || c.want != "" && got != c.want {
				t.Fatalf("the handler has %q, want %q", got, c.want)
			}
			if response != nil && response["x-correlation-id"] != got {
				t.Errorf("the response has %q, want %q", response["x-correlation-id"], got)
			}
			if a := s.span(t, r).Attributes[hop.CorrelationKey]; a != got {
				t.Errorf("the span has %q, want %q", a, got)
			}
			r.Line(got)
			for _, l := range r.Lines() {
				if l[hop.CorrelationKey] != got {
					t.Errorf("line %v, want the ID %q", l, got)
				}
			}
		})
	}
}

func serverTrace(t *testing.T, s Server) {
	r := New(t)
	var in trace.SpanContext
	s.deliver(t, r, Delivery{Headers: map[string]string{"traceparent": "00-" + testTrace + "-" + testParent + "-01", "tracestate": "vendor=1"},
		Handle: func(ctx context.Context) error { in = trace.SpanContextFromContext(ctx); return nil }})
	sp := s.span(t, r)
	switch {
	case sp.Parent.TraceID().String() != testTrace || sp.Parent.SpanID().String() != testParent:
		t.Errorf("the span's parent is %s/%s", sp.Parent.TraceID(), sp.Parent.SpanID())
	case in.SpanID() != sp.SpanContext.SpanID() || in.TraceID() != sp.SpanContext.TraceID():
		t.Errorf("the handler's span is %s/%s, not the reported one", in.TraceID(), in.SpanID())
	case in.TraceState().Get("vendor") != "1":
		t.Errorf("tracestate %q", in.TraceState())
	}
	line := r.line(t)
	if line["trace_id"] != testTrace || line["span_id"] != sp.SpanContext.SpanID().String() {
		t.Errorf("line %v", line)
	}
}

func serverUnsampled(t *testing.T, s Server) {
	r := New(t)
	var in trace.SpanContext
	s.deliver(t, r, Delivery{Headers: map[string]string{"traceparent": "00-" + testTrace + "-" + testParent + "-00"},
		Handle: func(ctx context.Context) error { in = trace.SpanContextFromContext(ctx); return nil }})
	if in.TraceID().String() != testTrace || in.IsSampled() || len(r.Spans()) != 0 {
		t.Errorf("the handler is in trace %s (sampled: %v), %d spans were recorded", in.TraceID(), in.IsSampled(), len(r.Spans()))
	}
	if n := r.Count("hop_self_duration_seconds"); n != 1 || len(r.Lines()) != 1 {
		t.Errorf("%d measurements and %d lines, want 1 of each", n, len(r.Lines()))
	}
}

func serverEntry(t *testing.T, s Server) {
	for _, c := range []struct{ why, baggage, entry string }{
		{"the edge's own", "", s.Operation},
		{"the caller's", "hop.entry=POST%20/checkout,hop.start=1790000000000", "POST /checkout"},
		{"behind members of others", strings.Repeat("k=v,", 20) + "hop.entry=POST%20/checkout,hop.start=1790000000000", "POST /checkout"},
	} {
		t.Run(c.why, func(t *testing.T) {
			r, headers, got := New(t), map[string]string{}, ""
			if c.baggage != "" {
				headers["baggage"] = c.baggage
			}
			s.deliver(t, r, Delivery{Headers: headers, Handle: func(ctx context.Context) error {
				_ = hop.Snapshot(ctx)["baggage"]
				got = hop.EntryOf(ctx)
				return nil
			}})
			if c.baggage != "" && got != c.entry { // the edge may not know its operation yet
				t.Errorf("the handler works for %q", got)
			}
			if n := r.Count("hop_self_duration_seconds", "operation", s.Operation, "entry", c.entry); n != 1 {
				t.Errorf("%d measurements of %q for %q", n, s.Operation, c.entry)
			}
			if line := r.line(t); line["operation"] != s.Operation {
				t.Errorf("line %v, want operation %q", line, s.Operation)
			}
		})
	}
}

func serverSelfTime(t *testing.T, s Server) {
	clock := newClock()
	r := New(t, hop.WithClock(clock.now))
	s.deliver(t, r, Delivery{Handle: func(ctx context.Context) error {
		clock.add(10 * time.Millisecond)
		one := hop.StartCall(ctx, hop.Dependency{Name: "stock", Kind: hop.KindHTTP})
		clock.add(20 * time.Millisecond)
		two := hop.StartCall(ctx, hop.Dependency{Name: "ledger", Kind: hop.KindDatabase})
		clock.add(30 * time.Millisecond)
		one.End()
		two.End()
		clock.add(5 * time.Millisecond)
		return nil
	}})
	for _, w := range []struct {
		family string
		labels []string
		want   float64
	}{
		{"hop_duration_seconds", nil, .065},
		{"hop_self_duration_seconds", nil, .015},
		{"hop_wait_duration_seconds", []string{"dependency", "stock"}, .050},
		{"hop_wait_duration_seconds", []string{"dependency", "ledger"}, .030},
		{s.Family, nil, .065},
	} {
		if got := r.Sum(w.family, w.labels...); !near(got, w.want) {
			t.Errorf("%s%v is %v s, want %v", w.family, w.labels, got, w.want)
		}
	}
	if line := r.line(t); line["self_ms"] != 15. || line["duration_ms"] != 65. {
		t.Errorf("line %v, want self_ms 15 and duration_ms 65", line)
	}
	if got := s.span(t, r).Attributes["hop.self_ms"]; got != "15" {
		t.Errorf("the span has hop.self_ms %s, want 15", got)
	}
}

func serverError(t *testing.T, s Server) {
	const secret = "card 4111"
	r := New(t)
	s.deliver(t, r, Delivery{Handle: func(context.Context) error { return errors.New(secret) }})
	sp := s.span(t, r)
	errorType := sp.Attributes["error.type"]
	if errorType == "" || sp.Status != codes.Error {
		t.Errorf("the span has error.type %q and status %v", errorType, sp.Status)
	}
	r.wantFailure(t, s.Family, errorType)
	for key, value := range sp.Attributes {
		if strings.Contains(value, secret) {
			t.Errorf("the error's text is in the span attribute %s", key)
		}
	}
	if label := r.labelWith(secret); label != "" {
		t.Errorf("the error's text is in the label %s", label)
	}
}

func serverPanic(t *testing.T, s Server) {
	r := New(t)
	s.deliver(t, r, Delivery{Handle: func(context.Context) error { panic("boom") }})
	if sp := s.span(t, r); sp.Attributes["error.type"] != adapter.ErrorPanic || sp.Status != codes.Error {
		t.Errorf("the span has error.type %q and status %v", sp.Attributes["error.type"], sp.Status)
	}
	r.wantFailure(t, s.Family, adapter.ErrorPanic)
	if n := r.Count("hop_self_duration_seconds"); n != 1 {
		t.Errorf("%d measurements of self time", n)
	}
}

// wantFailure fails the test unless one observation of the family and the one line
// have the error type.
func (r *Recorder) wantFailure(t *testing.T, family, errorType string) {
	t.Helper()
	if n := r.Count(family, "error_type", errorType); n != 1 {
		t.Errorf("%s counts %d with error_type %q", family, n, errorType)
	}
	lines := r.Lines()
	if len(lines) != 1 || lines[0]["error_type"] != errorType || lines[0]["level"] != "error" {
		t.Errorf("lines %v, want one with error_type %q", lines, errorType)
	}
}

func serverSkip(t *testing.T, s Server) {
	if !s.Skips {
		t.Skip("the adapter cannot leave out signals")
	}
	for _, c := range []struct {
		skip                  hop.Signals
		spans, metrics, lines int
	}{
		{0, 1, 1, 1}, {hop.Traces, 0, 1, 1}, {hop.Metrics, 1, 0, 1}, {hop.Logs, 1, 1, 0}, {hop.AllSignals, 0, 0, 0},
	} {
		r := New(t)
		s.deliver(t, r, Delivery{Skip: c.skip})
		if spans, lines := len(r.Spans()), len(r.Lines()); spans != c.spans || lines != c.lines {
			t.Errorf("skip %b: %d spans and %d lines, want %d and %d", c.skip, spans, lines, c.spans, c.lines)
		}
		for _, family := range []string{"hop_self_duration_seconds", s.Family} {
			if n := r.Count(family); n != c.metrics {
				t.Errorf("skip %b: %s counts %d, want %d", c.skip, family, n, c.metrics)
			}
		}
	}
}

func serverPublic(t *testing.T, s Server) {
	if !s.Public {
		t.Skip("the adapter trusts its callers")
	}
	r, entry := New(t), ""
	s.deliver(t, r, Delivery{Public: true, Headers: map[string]string{
		"x-correlation-id": testID, "traceparent": "00-" + testTrace + "-" + testParent + "-01",
		"baggage": "hop.entry=POST%20/checkout,hop.start=1790000000000",
	}, Handle: func(ctx context.Context) error { entry = hop.EntryOf(ctx); return nil }})
	sp := s.span(t, r)
	if sp.Parent.IsValid() || len(sp.Links) != 1 || sp.Links[0].SpanContext.TraceID().String() != testTrace {
		t.Errorf("the span has parent %v and links %v, want a new trace with a link", sp.Parent, sp.Links)
	}
	if entry == "POST /checkout" {
		t.Error("the entry of an untrusted caller was accepted")
	}
	r.Line(testID)
}
