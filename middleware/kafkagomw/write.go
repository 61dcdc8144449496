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

// Writer sends messages; its other methods are those of the kafka.Writer.
type Writer struct {
	*kafka.Writer
	measured *messaging.Producer
}

// NewWriter measures what is sent through w, which must not be in use yet: it
// sets w.Completion and calls the one that was there. A message belongs to the
// request of the context that it is written with, also to one that hop.Restore
// brought back from an outbox.
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

// sending is a message on its way. It takes the place of the message's
// WriterData until the broker has answered.
type sending struct {
	messaging.Sending
	carrier carrier
	data    any // the user's
	ended   atomic.Bool
}

// end ends the span, once: the broker's answer and the end of the caller's wait
// may meet.
func (s *sending) end(m *kafka.Message, err error) {
	switch {
	case s.ended.Swap(true):
	case err != nil:
		s.End(err)
	default:
		s.End(nil, adapter.AttrMessagingPartition.Int(m.Partition), adapter.AttrKafkaOffset.Int64(m.Offset))
	}
}

// WriteMessages sends messages: a span and headers for each. Unless the writer
// is Async it waits until the broker has them, which counts as the hop's wait,
// under the first one's topic. The caller's messages are not changed.
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
	if err != nil { // refused, or no longer waited for; otherwise all are, or will be, complete
		w.failed(sendings, messages, err)
	}
	return original(err, sendings)
}

// failed ends the spans of messages that no Completion has told of.
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

// original gives the messages within a MessageTooLargeError the user's
// WriterData back: the user is to send the remaining ones again.
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
