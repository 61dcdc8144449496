package kafkagomw

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// Writer sends messages. Its other methods are those of the embedded kafka.Writer.
type Writer struct {
	*kafka.Writer
	measured *messaging.Producer
}

// NewWriter returns a Writer that sends through w. It must be called before w is
// used. It replaces w.Completion by a function that calls the previous one. A
// message belongs to the request in the context that it is written with. For an
// outbox row, hop.Restore returns that context. It panics for a nil w or option
// and for a registry that refuses its metrics.
func NewWriter(w *kafka.Writer, opts ...Option) *Writer {
	if w == nil {
		panic("kafkagomw: NewWriter: nil writer")
	}
	next := w.Completion
	w.Completion = func(messages []kafka.Message, err error) {
		for i := range messages {
			m := &messages[i]
			if s, ok := m.WriterData.(*sending); ok {
				m.WriterData = s.data
				s.end(m, err)
			}
		}
		if next != nil {
			next(messages, err)
		}
	}
	return &Writer{Writer: w, measured: messaging.NewProducer(system, opts...)}
}

// sending is a message in flight. It replaces the message's WriterData until the broker
// has answered.
type sending struct {
	messaging.Sending
	carrier carrier
	data    any // the user's
	ended   atomic.Bool
}

// end ends the span once: the broker's answer may race with the end of the caller's
// context.
func (s *sending) end(m *kafka.Message, err error) {
	switch {
	case s.ended.Swap(true):
	case err != nil:
		s.End(err)
	default:
		s.End(nil, adapter.AttrMessagingPartition.Int(m.Partition), adapter.AttrKafkaOffset.Int64(m.Offset))
	}
}

// WriteMessages sends messages. Each message has its own span and headers. Unless
// the writer is Async, WriteMessages waits for their acknowledgement. The time
// counts as a wait of the hop for the topic of the first message. WriteMessages
// does not modify the messages.
func (w *Writer) WriteMessages(ctx context.Context, messages ...kafka.Message) error {
	if len(messages) == 0 {
		return w.Writer.WriteMessages(ctx)
	}
	defer system.Wait(ctx, w.topic(&messages[0])).End()
	messages = slices.Clone(messages)
	sendings := make([]*sending, len(messages))
	now := time.Now()
	for i := range messages {
		m := &messages[i]
		if m.Time.IsZero() {
			m.Time = now // the queue wait starts here, not when a batch is cut
		}
		s := &sending{carrier: carrier{headers: m.Headers}, data: m.WriterData}
		w.measured.Begin(ctx, &s.Sending, w.topic(m), &s.carrier)
		m.Headers, m.WriterData = s.carrier.headers, s
		sendings[i] = s
	}
	err := w.Writer.WriteMessages(ctx, messages...)
	if err != nil { // refused, or ctx ended; otherwise Completion is called for all of them
		w.failed(sendings, messages, err)
	}
	return original(err, sendings)
}

// failed ends the spans of messages for which Completion was not called.
func (w *Writer) failed(sendings []*sending, messages []kafka.Message, err error) {
	var each kafka.WriteErrors
	single := errors.As(err, &each) && len(each) == len(sendings)
	for i, s := range sendings {
		switch {
		case !single:
			s.end(&messages[i], err)
		case each[i] != nil:
			s.end(&messages[i], each[i])
		}
	}
}

// original restores the WriterData of the messages in a MessageTooLargeError, since the
// user sends the remaining ones again.
func original(err error, sendings []*sending) error {
	var large kafka.MessageTooLargeError
	if !errors.As(err, &large) {
		return err
	}
	restore := func(m *kafka.Message) {
		if s, ok := m.WriterData.(*sending); ok && slices.Contains(sendings, s) {
			m.WriterData = s.data
		}
	}
	restore(&large.Message)
	for i := range large.Remaining {
		restore(&large.Remaining[i])
	}
	return large
}

func (w *Writer) topic(m *kafka.Message) string {
	if w.Topic != "" {
		return w.Topic
	}
	return m.Topic
}
