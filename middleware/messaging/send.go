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

// NewProducer returns a Producer for a system. It panics for a nil option and for a
// registry that refuses its metrics.
func NewProducer(system System, opts ...Option) *Producer {
	c := configure(system, opts)
	c.queue = ""
	return &Producer{destinations: destinations{config: c, verb: verbSend,
		family: must(c.core.RequestHistogram("messaging_client_operation_duration_seconds",
			"Duration of producing a message, from buffered to acknowledged.",
			"messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type"))}}
}

// Core returns the Core that the producer reports to.
func (p *Producer) Core() *adapter.Core { return p.destinations.core }

// Sending is a message in flight. Its zero value is ready to use. It must not be
// reused.
type Sending struct {
	producer    *Producer
	destination *destination
	call        adapter.ClientCall
}

// Begin starts the span of a message and writes its headers to c. It does not start
// a wait; see System.Wait. attrs are further attributes known at the start.
// Sending.End must be called once.
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

// Producer returns the Producer that began s, or nil.
func (s *Sending) Producer() *Producer { return s.producer }

// End ends the message's span. attrs are attributes known from the broker's response.
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

// Wait starts a wait of the hop in ctx for a destination. It is for sends that block
// their caller.
func (s *System) Wait(ctx context.Context, destination string) adapter.Call {
	h := adapter.FromContext(ctx)
	if h == nil {
		return adapter.Call{}
	}
	return h.StartCall(adapter.Dependency{Name: s.label(h.Core(), destination), Kind: adapter.KindProduce})
}

// PublishWait records in hop_queue_wait_seconds the wait of an outbox row from its
// commit until now, with the operation "publish <destination>". ctx is the result
// of hop.Restore, which has the row's entry. A commit time at or before 1970 means
// unknown and is not recorded. A nil t means hop.Default.
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
