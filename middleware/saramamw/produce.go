package saramamw

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// sending is a message in flight. It replaces the message's Metadata until the broker
// has answered.
type sending struct {
	messaging.Sending
	carrier  produced
	metadata any // the user's, as are headers
	headers  []sarama.RecordHeader
	stamped  time.Time // the timestamp set by begin; zero when the user set one
}

func begin(ctx context.Context, p *messaging.Producer, m *sarama.ProducerMessage) *sending {
	s := &sending{carrier: produced{message: m}, metadata: m.Metadata, headers: m.Headers}
	if m.Timestamp.IsZero() {
		s.stamped = time.Now() // the queue wait starts here, not when a batch is cut
		m.Timestamp = s.stamped
	}
	p.Begin(ctx, &s.Sending, m.Topic, &s.carrier)
	m.Metadata = s
	return s
}

// end restores the message, since the user may send it again in another trace. It
// keeps a timestamp set by the broker.
func (s *sending) end(m *sarama.ProducerMessage, err error) {
	m.Metadata, m.Headers = s.metadata, s.headers
	if !s.stamped.IsZero() && m.Timestamp.Equal(s.stamped) {
		m.Timestamp = time.Time{}
	}
	if err != nil {
		s.End(err)
		return
	}
	s.End(nil, adapter.AttrMessagingPartition.Int(int(m.Partition)), adapter.AttrKafkaOffset.Int64(m.Offset))
}

// SyncProducer sends messages and waits for their acknowledgement.
type SyncProducer struct {
	producer sarama.SyncProducer
	measured *messaging.Producer
}

// NewSyncProducer returns a SyncProducer that sends through p. The caller closes p. The
// Version of its sarama.Config must be at least V0_11_0_0, which has headers. It panics
// for a nil p or option.
func NewSyncProducer(p sarama.SyncProducer, opts ...Option) *SyncProducer {
	if p == nil {
		panic("saramamw: NewSyncProducer: nil producer")
	}
	return &SyncProducer{producer: p, measured: messaging.NewProducer(system, opts...)}
}

// SendMessage sends a message that belongs to the request in ctx. For an outbox
// row, hop.Restore returns that context. The time counts as a wait of the hop for
// the topic. The end of ctx does not interrupt the call, since sarama does not
// support it. SendMessage removes the headers and the timestamp that it adds, so
// that m can be sent again.
func (p *SyncProducer) SendMessage(ctx context.Context, m *sarama.ProducerMessage) (partition int32, offset int64, err error) {
	defer system.Wait(ctx, m.Topic).End()
	s := begin(ctx, p.measured, m)
	partition, offset, err = p.producer.SendMessage(m)
	s.end(m, err)
	return partition, offset, err
}

// SendMessages sends messages together. Each message has its own span and headers.
// The error is sarama.ProducerErrors when some of them failed.
func (p *SyncProducer) SendMessages(ctx context.Context, messages []*sarama.ProducerMessage) error {
	if len(messages) == 0 {
		return nil
	}
	defer system.Wait(ctx, messages[0].Topic).End()
	sendings := make([]*sending, len(messages))
	for i, m := range messages {
		sendings[i] = begin(ctx, p.measured, m)
	}
	err := p.producer.SendMessages(messages)
	var failed sarama.ProducerErrors
	each := errors.As(err, &failed)
	errs := make(map[*sarama.ProducerMessage]error, len(failed))
	for _, f := range failed {
		errs[f.Msg] = f.Err
	}
	for i, m := range messages {
		if each {
			sendings[i].end(m, errs[m])
		} else {
			sendings[i].end(m, err)
		}
	}
	return err
}

// AsyncProducer sends messages without waiting. Its Successes and Errors must be
// read, as with a sarama.AsyncProducer.
type AsyncProducer struct {
	producer  sarama.AsyncProducer
	measured  *messaging.Producer
	successes chan *sarama.ProducerMessage
	errors    chan *sarama.ProducerError
}

// NewAsyncProducer returns an AsyncProducer that takes over p. The caller must not
// use p afterwards. cfg is the configuration of p. It must return successes and
// errors, which end the spans, and have at least Version V0_11_0_0. Otherwise
// NewAsyncProducer panics.
func NewAsyncProducer(p sarama.AsyncProducer, cfg *sarama.Config, opts ...Option) *AsyncProducer {
	switch {
	case p == nil || cfg == nil:
		panic("saramamw: NewAsyncProducer: nil producer or config")
	case !cfg.Producer.Return.Successes || !cfg.Producer.Return.Errors:
		panic("saramamw: NewAsyncProducer: Producer.Return.Successes and Producer.Return.Errors must be true")
	case !cfg.Version.IsAtLeast(sarama.V0_11_0_0):
		panic("saramamw: NewAsyncProducer: Version must be at least V0_11_0_0, which has headers")
	}
	a := &AsyncProducer{producer: p, measured: messaging.NewProducer(system, opts...),
		successes: make(chan *sarama.ProducerMessage, cfg.ChannelBufferSize), errors: make(chan *sarama.ProducerError, cfg.ChannelBufferSize)}
	var both sync.WaitGroup
	both.Go(a.forwardSuccesses)
	both.Go(a.forwardErrors)
	go func() {
		both.Wait()
		close(a.successes)
		close(a.errors)
	}()
	return a
}

func (a *AsyncProducer) forwardSuccesses() {
	for m := range a.producer.Successes() {
		if s, ok := m.Metadata.(*sending); ok {
			s.end(m, nil)
		}
		a.successes <- m
	}
}

func (a *AsyncProducer) forwardErrors() {
	for e := range a.producer.Errors() {
		if e.Msg != nil {
			if s, ok := e.Msg.Metadata.(*sending); ok {
				s.end(e.Msg, e.Err)
			}
		}
		a.errors <- e
	}
}

// Send enqueues a message. While the producer's buffer is full it waits, at most
// until ctx ends. The time counts as a wait of the hop.
func (a *AsyncProducer) Send(ctx context.Context, m *sarama.ProducerMessage) error {
	s := begin(ctx, a.measured, m)
	select {
	case a.producer.Input() <- m:
		return nil
	default:
	}
	defer system.Wait(ctx, m.Topic).End()
	select {
	case a.producer.Input() <- m:
		return nil
	case <-ctx.Done():
		s.end(m, ctx.Err())
		return ctx.Err()
	}
}

// Successes returns the channel of acknowledged messages.
func (a *AsyncProducer) Successes() <-chan *sarama.ProducerMessage { return a.successes }

// Errors returns the channel of failed messages.
func (a *AsyncProducer) Errors() <-chan *sarama.ProducerError { return a.errors }

// AsyncClose closes the producer. Successes and Errors are closed when each message
// has been delivered to one of them.
func (a *AsyncProducer) AsyncClose() { a.producer.AsyncClose() }

// Close closes the producer, discards the remaining successes and returns the remaining
// errors as sarama.ProducerErrors.
func (a *AsyncProducer) Close() error {
	a.AsyncClose()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for range a.successes {
		}
	}()
	var failed sarama.ProducerErrors
	for e := range a.errors {
		failed = append(failed, e)
	}
	<-drained
	if len(failed) > 0 {
		return failed
	}
	return nil
}
