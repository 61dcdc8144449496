package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tenhop/tenhop/middleware/hop"
)

// Event is a message on a topic, whatever broker carries it.
type Event struct {
	Topic string
	Key   string // events with one key are handled in the order of their publication
	Value []byte
	ID    string // identifies a received event, also when it is delivered again
}

// Decode reads the JSON of the value into m. Its error is Unprocessable.
func (ev Event) Decode(m proto.Message) error {
	if err := protojson.Unmarshal(ev.Value, m); err != nil {
		return Unprocessable(fmt.Errorf("decode an event of %s: %w", ev.Topic, err))
	}
	return nil
}

// EventFunc handles an event. An event is delivered again until EventFunc returns nil or
// an error that Unprocessable made.
type EventFunc func(context.Context, Event) error

// Publisher publishes events.
type Publisher interface {
	// Publish returns when the broker has stored the event. After an error it may have
	// been stored too. See Refused.
	Publish(ctx context.Context, ev Event) error
	// Lag returns the number of events of a topic that a consumer group has not taken yet.
	Lag(ctx context.Context, topic, group string) (int64, error)
}

// Consumer receives the events of one topic, and publishes others.
type Consumer interface {
	Publisher
	// Consume handles each event at least once. It outlives failures of the broker, and
	// returns when ctx ends.
	Consume(ctx context.Context, handle EventFunc) error
}

// Publisher returns a publisher for the broker of the configuration: RabbitMQ if AMQP is
// set, Kafka otherwise. The broker need not be available; an outbox keeps the events
// meanwhile.
func (e *Env) Publisher() (Publisher, error) {
	if e.AMQP != "" {
		return e.rabbit("")
	}
	return e.Kafka.open(e)
}

// Consumer returns a consumer of a topic, which belongs to the consumer group that has the
// service's name. It fails if the broker is not available, and adds a readiness check for
// the broker.
func (e *Env) Consumer(ctx context.Context, topic string) (Consumer, error) {
	if e.AMQP == "" {
		return e.Kafka.consumer(ctx, e, topic)
	}
	r, err := e.rabbit(topic)
	if err != nil {
		return nil, err
	}
	if err := r.declare(ctx); err != nil {
		return nil, err
	}
	e.AddCheck("broker", func(ctx context.Context) error { _, err := r.connection(ctx); return err })
	return r, nil
}

// EventOf returns the event of a broker's message, and reports whether it is one: a
// *kgo.Record or an amqp.Delivery.
func EventOf(message any) (Event, bool) {
	switch m := message.(type) {
	case *kgo.Record:
		return Event{Topic: m.Topic, Key: string(m.Key), Value: m.Value, ID: fmt.Sprintf("%s/%d/%d", m.Topic, m.Partition, m.Offset)}, true
	case amqp.Delivery:
		return Event{Topic: m.Exchange, Key: m.RoutingKey, Value: m.Body, ID: m.MessageId}, true
	}
	return Event{}, false
}

// EventID returns the ID of a broker's message, or "".
func EventID(message any) string {
	ev, _ := EventOf(message)
	return ev.ID
}

// maxEventBytes is the maximum size of an event's value. It is that of Kafka's clients, so
// that either broker takes what the other takes.
const maxEventBytes = 1_000_000

var errTooLarge = fmt.Errorf("the event has more than %d bytes", maxEventBytes)

// unprocessable is the error of an event that no attempt can process.
type unprocessable struct{ error }

func (u unprocessable) Unwrap() error { return u.error }

// Unprocessable returns an error for an event that no attempt can process, such as one
// that cannot be decoded. Consume publishes the event to a dead letter topic, and goes on
// with the next one. Unprocessable panics for a nil err.
func Unprocessable(err error) error {
	if err == nil {
		panic("runtime: Unprocessable: nil error")
	}
	return unprocessable{err}
}

// IsUnprocessable reports whether an error is of Unprocessable.
func IsUnprocessable(err error) bool { return errors.As(err, new(unprocessable)) }

// DeadLetters returns the name of the topic or queue that holds the events of a topic that
// a consumer group could not process.
func DeadLetters(topic, group string) string { return topic + "." + group + ".dead" }

// burying returns a function that handles an event, and publishes one that is
// unprocessable as a dead letter. It reports an unprocessable error only for an event that
// has been published.
func (e *Env) burying(handle EventFunc, bury func(ctx context.Context, queue string, ev Event, reason string) error) EventFunc {
	return func(ctx context.Context, ev Event) error {
		err := handle(ctx, ev)
		if !IsUnprocessable(err) {
			return err
		}
		queue := DeadLetters(ev.Topic, e.Name)
		if failed := bury(ctx, queue, ev, err.Error()); failed != nil {
			return fmt.Errorf("%s; the event was not published to %s: %w", err.Error(), queue, failed)
		}
		hop.SetAttributes(ctx, attribute.String("dead_letters", queue))
		hop.Zerolog(ctx).Error().Err(err).Str("event", ev.ID).Str("dead_letters", queue).Msg("unprocessable event; it is a dead letter")
		return err
	}
}

// headerReason is the header of a dead letter that holds the error.
const headerReason = "reason"

// untilHandled calls handle until it succeeds, the event is a dead letter, or ctx ends.
func untilHandled(ctx context.Context, handle func(context.Context) error) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if err := handle(ctx); err == nil || IsUnprocessable(err) {
			return nil
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// maxEvents is the number of events that a consumer handles concurrently.
const maxEvents = 32

// lanes calls functions concurrently, up to maxEvents of them, and those of one key one
// after the other.
type lanes struct {
	slots   chan struct{}
	running sync.WaitGroup
	mu      sync.Mutex
	last    map[string]chan struct{} // by key; closed when the key's last function has returned
}

func newLanes() *lanes {
	return &lanes{slots: make(chan struct{}, maxEvents), last: map[string]chan struct{}{}}
}

// do calls f in a goroutine, after the earlier functions of the key. It blocks while
// maxEvents functions run or wait. Functions without a key have no order.
func (l *lanes) do(key string, f func()) {
	l.slots <- struct{}{}
	done := make(chan struct{})
	var before chan struct{}
	if key != "" {
		l.mu.Lock()
		before, l.last[key] = l.last[key], done
		l.mu.Unlock()
	}
	l.running.Go(func() {
		defer func() {
			l.mu.Lock()
			if l.last[key] == done {
				delete(l.last, key)
			}
			l.mu.Unlock()
			close(done)
			<-l.slots
		}()
		if before != nil {
			<-before
		}
		f()
	})
}

func (l *lanes) wait() { l.running.Wait() }
