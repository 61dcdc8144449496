package mwtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

// Client describes the side of an adapter that makes calls, for TestClient.
type Client struct {
	// Call makes one call through the adapter. The remote side calls c.Remote with
	// the headers that it receives, with lower-case names, or with nil when the
	// transport has none. When Remote returns an error, the call must fail. Call
	// returns after the adapter has reported the call.
	Call func(t *testing.T, ctx context.Context, c Outbound)

	Kind       trace.SpanKind // trace.SpanKindClient or trace.SpanKindProducer
	Family     string         // the transport's duration histogram; it has a label error_type
	Labels     []string       // in pairs of name and value: further labels of the call's series
	Span       string         // name of the call's span; needed when a call makes others, such as a connect
	Dependency hop.Dependency // of the call
	Headers    bool           // the transport has headers
	NoWait     bool           // the caller does not wait for the call
}

// Outbound is one call for Client.Call.
type Outbound struct {
	Telemetry *hop.Telemetry
	Remote    func(headers map[string]string) error
}

// TestClient tests the contract of an adapter's client side: span, headers, wait
// and errors, within a hop and outside of one.
func TestClient(t *testing.T, c Client) {
	for name, test := range map[string]func(*testing.T, Client){
		"within a hop":  clientWithinHop,
		"outside a hop": clientOutside,
		"restored":      clientRestored,
		"error":         clientError,
	} {
		t.Run(name, func(t *testing.T) { test(t, c) })
	}
}

// call makes one call and returns the headers that arrived.
func (c Client) call(ctx context.Context, t *testing.T, r *Recorder, remote func() error) map[string]string {
	t.Helper()
	var headers map[string]string
	called := 0
	c.Call(t, ctx, Outbound{Telemetry: r.Telemetry, Remote: func(h map[string]string) error {
		called++
		headers = h
		return remote()
	}})
	if called != 1 {
		t.Errorf("the other side was called %d times", called)
	}
	return headers
}

// count returns the number of observations of calls with the labels.
func (c Client) count(r *Recorder, labels ...string) int {
	r.t.Helper()
	return r.Count(c.Family, append(labels, c.Labels...)...)
}

func clientWithinHop(t *testing.T, c Client) {
	clock := newClock()
	r := New(t, hop.WithClock(clock.now))
	ctx, h := r.Core().Begin(t.Context(), adapter.Incoming{Protocol: "test", Operation: "POST /checkout",
		Carrier: propagation.MapCarrier{"x-correlation-id": testID, "traceparent": "00-" + testTrace + "-" + testParent + "-01"}})
	clock.add(10 * time.Millisecond)
	headers := c.call(ctx, t, r, func() error { clock.add(40 * time.Millisecond); return nil })
	clock.add(5 * time.Millisecond)
	timing := h.End(adapter.Outcome{})

	sp := oneSpan(t, r, c.Kind, c.Span)
	if sp.Parent.SpanID() != h.Span().SpanContext().SpanID() || sp.Status == codes.Error || sp.Attributes[hop.CorrelationKey] != testID {
		t.Errorf("span %+v, want a child of the hop's", sp)
	}
	if n := c.count(r, "error_type", ""); n != 1 {
		t.Errorf("%s counts %d", c.Family, n)
	}
	if c.NoWait {
		if timing.Self != 55*time.Millisecond {
			t.Errorf("self time %v, want 55ms: nobody waits for the call", timing.Self)
		}
	} else {
		wait := r.Sum("hop_wait_duration_seconds", "dependency", c.Dependency.Name, "dependency_kind", c.Dependency.Kind)
		if timing.Self != 15*time.Millisecond || !near(wait, .040) {
			t.Errorf("self time %v and wait %v s, want 15ms and 0.04", timing.Self, wait)
		}
	}
	if c.Headers {
		want := "00-" + testTrace + "-" + sp.SpanContext.SpanID().String() + "-01"
		if headers["traceparent"] != want {
			t.Errorf("traceparent %q, want %q", headers["traceparent"], want)
		}
		wantHeaders(t, headers)
	}
}

// wantHeaders fails the test unless the headers belong to the request testID with
// the entry POST /checkout.
func wantHeaders(t *testing.T, headers map[string]string) {
	t.Helper()
	if headers["x-correlation-id"] != testID || !strings.Contains(headers["baggage"], "hop.entry=POST%20/checkout") ||
		!strings.Contains(headers["baggage"], "correlation.id="+testID) {
		t.Errorf("headers %v", headers)
	}
}

func clientOutside(t *testing.T, c Client) {
	r := New(t)
	headers := c.call(t.Context(), t, r, func() error { return nil })
	sp := oneSpan(t, r, c.Kind, c.Span)
	if sp.Parent.IsValid() || r.OpenSpans() != 0 {
		t.Errorf("span %+v, want a root that has ended", sp)
	}
	if c.Headers && !strings.Contains(headers["traceparent"], sp.SpanContext.TraceID().String()) {
		t.Errorf("traceparent %q", headers["traceparent"])
	}
	if n := c.count(r); n != 1 {
		t.Errorf("%s counts %d", c.Family, n)
	}
}

func clientRestored(t *testing.T, c Client) {
	if !c.Headers {
		t.Skip("the transport has no headers")
	}
	r := New(t)
	ctx, h := r.Core().Begin(t.Context(), adapter.Incoming{Protocol: "test", Operation: "POST /checkout", Carrier: propagation.MapCarrier{"x-correlation-id": testID}})
	row := hop.Snapshot(ctx)
	h.End(adapter.Outcome{})
	headers := c.call(hop.Restore(t.Context(), row), t, r, func() error { return nil })
	if got, want := oneSpan(t, r, c.Kind, c.Span).SpanContext.TraceID(), h.Span().SpanContext().TraceID(); got != want {
		t.Errorf("the call is in trace %s, want %s", got, want)
	}
	wantHeaders(t, headers)
}

func clientError(t *testing.T, c Client) {
	r := New(t)
	c.call(t.Context(), t, r, func() error { return errors.New("refused") })
	sp := oneSpan(t, r, c.Kind, c.Span)
	errorType := sp.Attributes["error.type"]
	if errorType == "" || sp.Status != codes.Error {
		t.Errorf("the span has error.type %q and status %v", errorType, sp.Status)
	}
	if n := c.count(r, "error_type", errorType); n != 1 {
		t.Errorf("%s counts %d with error_type %q", c.Family, n, errorType)
	}
}

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// near reports whether two sums of seconds are equal to the nanosecond.
func near(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 }
