package storetest

import (
	"context"
	"net/url"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/services/runtime"
)

// Broker is a broker of a test: Kafka or RabbitMQ.
type Broker struct {
	Kafka []string // addresses of a Kafka cluster; empty for RabbitMQ
	AMQP  string   // URL of RabbitMQ
}

// EachBroker runs test on a new kfake, and on the real Kafka and the real RabbitMQ, whose
// topics may hold records of other tests.
func EachBroker(t *testing.T, test func(t *testing.T, b Broker)) {
	t.Helper()
	t.Run("kfake", func(t *testing.T) {
		broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(broker.Close)
		test(t, Broker{Kafka: broker.ListenAddrs()})
	})
	t.Run("kafka", func(t *testing.T) { test(t, Broker{Kafka: Kafka(t)}) })
	t.Run("rabbitmq", func(t *testing.T) { test(t, Broker{AMQP: RabbitMQ(t)}) })
}

// RabbitMQ returns the URL of the real server.
func RabbitMQ(t *testing.T) string {
	t.Helper()
	return address(t, "RabbitMQ", "TENHOP_TEST_AMQP")
}

// Configure sets the broker in the configuration of a service.
func (b Broker) Configure(c *runtime.Config) { c.Kafka, c.AMQP = b.Kafka, b.AMQP }

// Addr returns the host:port of the broker.
func (b Broker) Addr() string {
	if u, err := url.Parse(b.AMQP); b.AMQP != "" && err == nil {
		return u.Host
	}
	return b.Kafka[0]
}

// At returns the broker as it is reached at another host:port.
func (b Broker) At(addr string) Broker {
	if u, err := url.Parse(b.AMQP); b.AMQP != "" && err == nil {
		u.Host = addr
		return Broker{AMQP: u.String()}
	}
	return Broker{Kafka: []string{addr}}
}

// Message is an event with the headers of its message.
type Message struct {
	runtime.Event
	Headers map[string]string
}

// Tap receives the events of a topic. It disturbs no consumer group.
type Tap struct {
	t    *testing.T
	next func(ctx context.Context) (Message, error)
}

// Tap taps a topic. From Kafka it receives all events of the topic, from RabbitMQ those
// that are published from now on.
func (b Broker) Tap(t *testing.T, topic string) *Tap {
	t.Helper()
	if b.AMQP == "" {
		return &Tap{t, b.records(t, topic)}
	}
	ch := b.channel(t)
	if err := ch.ExchangeDeclare(topic, amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(q.Name, "", topic, false, nil); err != nil {
		t.Fatal(err)
	}
	return &Tap{t, messages(t, ch, q.Name)}
}

// DeadLetters taps the dead letters of a topic and a consumer group.
func (b Broker) DeadLetters(t *testing.T, topic, group string) *Tap {
	t.Helper()
	name := runtime.DeadLetters(topic, group)
	if b.AMQP == "" {
		return &Tap{t, b.records(t, name)}
	}
	ch := b.channel(t)
	if _, err := ch.QueueDeclare(name, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	return &Tap{t, messages(t, ch, name)}
}

// Remove removes a test's topic from RabbitMQ.
func (b Broker) Remove(t *testing.T, topic string, groups ...string) {
	t.Helper()
	if b.AMQP == "" {
		return
	}
	ch := b.channel(t)
	for _, group := range groups {
		for _, queue := range []string{runtime.QueueName(topic, group), runtime.DeadLetters(topic, group)} {
			if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
				t.Errorf("remove %s: %v", queue, err)
			}
		}
	}
	if err := ch.ExchangeDelete(topic, false, false); err != nil {
		t.Errorf("remove %s: %v", topic, err)
	}
}

func (b Broker) channel(t *testing.T) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(b.AMQP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func messages(t *testing.T, ch *amqp.Channel, queue string) func(context.Context) (Message, error) {
	t.Helper()
	deliveries, err := ch.Consume(queue, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) (Message, error) {
		select {
		case <-ctx.Done():
			return Message{}, ctx.Err()
		case d, ok := <-deliveries:
			if !ok {
				return Message{}, amqp.ErrClosed
			}
			m := Message{Headers: map[string]string{}}
			m.Event, _ = runtime.EventOf(d)
			for key, value := range d.Headers {
				if s, ok := value.(string); ok {
					m.Headers[key] = s
				}
			}
			return m, nil
		}
	}
}

// records opens its client with the first call, when the topic has been created.
func (b Broker) records(t *testing.T, topic string) func(context.Context) (Message, error) {
	var cl *kgo.Client
	var fetched []*kgo.Record
	return func(ctx context.Context) (Message, error) {
		if cl == nil {
			var err error
			if cl, err = kgo.NewClient(kgo.SeedBrokers(b.Kafka...), kgo.ConsumeTopics(topic)); err != nil {
				return Message{}, err
			}
			t.Cleanup(cl.Close)
		}
		for len(fetched) == 0 {
			fetches := cl.PollFetches(ctx)
			if ctx.Err() != nil {
				return Message{}, ctx.Err()
			}
			fetched = fetches.Records()
		}
		r := fetched[0]
		fetched = fetched[1:]
		m := Message{Headers: map[string]string{}}
		m.Event, _ = runtime.EventOf(r)
		for _, h := range r.Headers {
			m.Headers[h.Key] = string(h.Value)
		}
		return m, nil
	}
}

// Find returns the next event that has a property. It fails the test after 20 s.
func (tap *Tap) Find(ok func(Message) bool) Message {
	tap.t.Helper()
	ctx, cancel := context.WithTimeout(tap.t.Context(), 20*time.Second)
	defer cancel()
	for {
		m, err := tap.next(ctx)
		if err != nil {
			tap.t.Fatalf("the event did not come: %v", err)
		}
		if ok(m) {
			return m
		}
	}
}

// Next returns the next event before ctx ends.
func (tap *Tap) Next(ctx context.Context) (Message, error) { return tap.next(ctx) }
