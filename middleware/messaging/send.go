package messaging

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

const verbSend = "send"

// Producer measures the messages that a client sends.
type Producer struct{ destinations destinations }

// NewProducer resolves the families of a system's producers. It panics on a nil
// option and on families that are registered in another form.
func NewProducer(system System, opts ...Option) *Producer {
	c := configure(system, opts)
	c.queue = ""
	return &Producer{destinations: destinations{config: c, verb: verbSend,
		family: must(c.core.RequestHistogram("messaging_client_operation_duration_seconds",
			"Duration of producing a message, from buffered to acknowledged.",
			"messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type"))}}
}

// Sending is a message on its way. The zero Sending is for one message.
type Sending struct {
	producer    *Producer
	destination *destination
	call        adapter.ClientCall
}

// Begin starts the message's span and writes the headers. Nobody's wait is
// counted: see System.Wait. attrs are those known by now, beyond the destination.
func (p *Producer) Begin(ctx context.Context, s *Sending, destination string, c propagation.TextMapCarrier, attrs ...attribute.KeyValue) {
	if ctx == nil {
		ctx = context.Background()
	}
	s.producer, s.destination = p, p.destinations.of(destination)
	out := adapter.Outgoing{SpanName: s.destination.operation, SpanKind: trace.SpanKindProducer, NoWait: true, Async: true,
		Fixed: s.destination.attrs, Attributes: attrs}
	if s.destination.shared { // spans need no bound of names
		out.Attributes = append(out.Attributes[:len(attrs):len(attrs)], adapter.AttrMessagingTopic.String(destination))
	}
	called, call := p.destinations.core.BeginCall(ctx, out)
	s.call = call
	s.call.Inject(called, c)
}

// Producer returns the one that began s, or nil.
func (s *Sending) Producer() *Producer { return s.producer }

// End ends the message's span; attrs are those that the broker's answer told.
// It must be called once.
func (s *Sending) End(err error, attrs ...attribute.KeyValue) {
	ds := &s.producer.destinations
	out := adapter.Outcome{ErrorType: ds.errorType(err), Failed: err != nil}
	room := adapter.BorrowAttributes()
	defer room.Return()
	out.Attrs = append(room[:0], attrs...)
	start, sc := s.call.Start(), s.call.Span().SpanContext()
	d := s.call.End(out)
	ds.seriesOf(s.destination, out.ErrorType).Observe(d, start.Add(d), sc)
}

// Wait counts what follows, until the call's End, as the hop's wait for the
// destination, under the name that its other signals have.
func (s *System) Wait(ctx context.Context, destination string) adapter.Call {
	h := adapter.FromContext(ctx)
	if h == nil {
		return adapter.Call{}
	}
	return h.StartCall(adapter.Dependency{Name: s.label(h.Core(), destination), Kind: adapter.KindProduce})
}

// PublishWait records how long an outbox row waited, from its commit to now:
// hop_queue_wait_seconds with the operation "publish <destination>", whose names
// are bounded. ctx is what hop.Restore made of the row, so that the wait counts
// for its entry. A commit at or before 1970 is unknown and counts for nothing. A
// nil t means hop.Default.
func PublishWait(ctx context.Context, t *hop.Telemetry, destination string, committed time.Time) {
	if t == nil {
		t = hop.Default()
	}
	if !known(committed) {
		return
	}
	c := t.Core()
	c.QueueWait(ctx, "publish "+c.Destination(destination), max(c.Now().Sub(committed), 0))
}
