package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tenhop/tenhop/middleware/amqpmw"
	"github.com/tenhop/tenhop/services/contracts"
)

const (
	rabbitTimeout   = 10 * time.Second // of opening a connection
	stuckTimeout    = 2 * time.Second  // of what the broker should answer at once, after its context has ended
	confirmTimeout  = 30 * time.Second // of the broker's confirmation of an event
	maxPublications = 8                // that wait for their confirmation at the same time
)

// rabbit publishes and consumes events with one connection, which it opens again when it
// is lost.
//
// A topic is a durable fanout exchange. Each of its consumer groups has a durable queue
// with one active consumer, which keeps the order of events. A publisher declares the
// queues too, so that an event waits for a consumer that was never there.
type rabbit struct {
	e     *Env
	topic string             // to consume; empty for a publisher
	idle  chan *confirmation // channels in confirm mode that are not in use; nil for one to open

	lock chan struct{} // holds an element while somebody uses conn, or opens it
	conn *connection
}

// connection is a connection that can be ended while the broker reads nothing from it. A
// broker that lacks memory or disk does that, and sends heartbeats nevertheless.
type connection struct {
	*amqp.Connection
	wire net.Conn
}

// guard closes the connection if release is not called within stuckTimeout after ctx has
// ended. Operations of the client have no context; the end of the connection ends them.
func (c *connection) guard(ctx context.Context) (release func()) {
	released := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-released:
		case <-time.After(stuckTimeout):
			_ = c.wire.Close()
		}
	})
	return func() { stop(); close(released) }
}

// closing closes the connection if release is not called within stuckTimeout.
func (c *connection) closing() (release func() bool) {
	return time.AfterFunc(stuckTimeout, func() { _ = c.wire.Close() }).Stop
}

// open opens a channel. The caller calls shut.
func (c *connection) open() (ch *amqp.Channel, shut func(), err error) {
	if ch, err = c.Channel(); err != nil {
		return nil, nil, err
	}
	return ch, func() {
		defer c.closing()()
		_ = ch.Close()
	}, nil
}

var _ Consumer = (*rabbit)(nil)

// confirmation is a channel in confirm mode, for one publication at a time.
type confirmation struct {
	*amqpmw.Publisher
	ch       *amqp.Channel
	returned chan amqp.Return
	declared map[string]bool // exchanges and queues
}

// errUnroutable is the error of an event that no queue took: nobody has declared one, or
// somebody has deleted it.
var errUnroutable = errors.New("the broker has no queue for the event")

func (e *Env) rabbit(topic string) (*rabbit, error) {
	if e.Instruments != InstrumentsMiddleware {
		return nil, fmt.Errorf("TENHOP_INSTRUMENTS=%s: only the middleware instruments RabbitMQ; unset it, or use Kafka", e.Instruments)
	}
	r := &rabbit{e: e, topic: topic, idle: make(chan *confirmation, maxPublications), lock: make(chan struct{}, 1)}
	for range maxPublications {
		r.idle <- nil
	}
	e.links.Dialer(linkRabbitMQ, nil) // faults may affect it before the first connection
	e.OnClose(r.close)
	return r, nil
}

const linkRabbitMQ = "rabbitmq"

func (r *rabbit) close() error {
	r.lock <- struct{}{}
	defer func() { <-r.lock }()
	if r.conn == nil {
		return nil
	}
	defer r.conn.closing()()
	if err := r.conn.Close(); err != nil && !errors.Is(err, amqp.ErrClosed) {
		return err
	}
	return nil
}

// connection returns the connection, which it opens if there is none.
func (r *rabbit) connection(ctx context.Context) (*connection, error) {
	select {
	case r.lock <- struct{}{}:
		defer func() { <-r.lock }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r.conn != nil && !r.conn.IsClosed() {
		return r.conn, nil
	}
	ctx, cancel := context.WithTimeout(ctx, rabbitTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	dial := r.e.links.Dialer(linkRabbitMQ, new(net.Dialer).DialContext)
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(r.e.Name)
	var wire net.Conn
	opened := func() bool { return true }
	defer func() { opened() }()
	conn, err := amqp.DialConfig(r.e.AMQP, amqp.Config{Heartbeat: rabbitTimeout, Properties: properties,
		Dial: func(network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			wire, opened = c, context.AfterFunc(ctx, func() { _ = c.Close() }) // also during the handshake
			return c, c.SetDeadline(deadline)                                  // the client removes it after the handshake
		}})
	if err != nil {
		return nil, fmt.Errorf("connect to RabbitMQ: %w", withoutPassword(err))
	}
	r.conn = &connection{conn, wire}
	return r.conn, nil
}

// withoutPassword replaces an error of parsing the URL, which repeats parts of it.
func withoutPassword(err error) error {
	if errors.As(err, new(*url.Error)) {
		return errors.New("TENHOP_AMQP: use a URL such as amqp://user:password@host:5672/vhost, with special characters percent-encoded")
	}
	return err
}

// declare declares the consumer group's queue, so that events wait for it from now on.
func (r *rabbit) declare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rabbitTimeout)
	defer cancel()
	conn, err := r.connection(ctx)
	if err != nil {
		return err
	}
	defer conn.guard(ctx)()
	ch, shut, err := conn.open()
	if err != nil {
		return err
	}
	defer shut()
	return declareQueue(ch, r.topic, r.e.Name)
}

// Publish implements Publisher. It waits until the broker has stored the event in the
// queue of each consumer group.
func (r *rabbit) Publish(ctx context.Context, ev Event) error {
	if len(ev.Value) > maxEventBytes {
		return errTooLarge
	}
	return r.publish(ctx, ev.Topic, ev.Key, ev, nil, func(ch *amqp.Channel) error {
		if err := declareTopic(ch, ev.Topic); err != nil {
			return err
		}
		for _, group := range contracts.ConsumerGroups(ev.Topic) {
			if err := declareQueue(ch, ev.Topic, group); err != nil {
				return err
			}
		}
		return nil
	})
}

// Lag implements Publisher. Events that a consumer is handling do not count, up to
// maxEvents of them.
func (r *rabbit) Lag(ctx context.Context, topic, group string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout) // publications wait as long
	defer cancel()
	conn, err := r.connection(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.guard(ctx)()
	ch, shut, err := conn.open()
	if err != nil {
		return 0, err
	}
	defer shut()
	if err := declareQueue(ch, topic, group); err != nil {
		return 0, err
	}
	q, err := ch.QueueDeclarePassive(QueueName(topic, group), true, false, false, false, nil)
	return int64(q.Messages), err
}

func (r *rabbit) bury(ctx context.Context, queue string, ev Event, reason string) error {
	return r.publish(ctx, "", queue, ev, amqp.Table{headerReason: reason}, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
		return err
	})
}

func declareTopic(ch *amqp.Channel, topic string) error {
	return ch.ExchangeDeclare(topic, amqp.ExchangeFanout, true, false, false, false, nil)
}

// declareQueue declares the queue of a consumer group, and its topic.
func declareQueue(ch *amqp.Channel, topic, group string) error {
	if err := declareTopic(ch, topic); err != nil {
		return err
	}
	queue := QueueName(topic, group)
	if _, err := ch.QueueDeclare(queue, true, false, false, false, amqp.Table{amqp.SingleActiveConsumerArg: true}); err != nil {
		return err
	}
	return ch.QueueBind(queue, "", topic, false, nil)
}

// QueueName returns the name of the RabbitMQ queue in which a consumer group receives the
// events of a topic.
func QueueName(topic, group string) string { return topic + "." + group }

func (r *rabbit) publish(ctx context.Context, exchange, key string, ev Event, headers amqp.Table, declare func(*amqp.Channel) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	var c *confirmation
	select {
	case c = <-r.idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() {
		if err != nil && c != nil { // its state is unknown; closing it may block
			go func(ch *amqp.Channel) { _ = ch.Close() }(c.ch)
			c = nil
		}
		r.idle <- c
	}()
	conn, err := r.connection(ctx)
	if err != nil {
		return err
	}
	defer conn.guard(ctx)()
	if c == nil || c.ch.IsClosed() {
		if c, err = r.confirming(conn); err != nil {
			return err
		}
	}
	if to := cmp.Or(exchange, key); !c.declared[to] {
		if err := declare(c.ch); err != nil {
			return err
		}
		c.declared[to] = true
	}
	err = c.Publish(ctx, exchange, key, true, false, amqp.Publishing{MessageId: uuid.Must(uuid.NewV7()).String(),
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Headers: headers, Body: ev.Value})
	if err != nil {
		return err
	}
	select {
	case _, returned := <-c.returned: // the broker returns an event before it confirms it
		if returned {
			return errUnroutable
		}
	default:
	}
	return nil
}

// confirming opens a channel in confirm mode.
func (r *rabbit) confirming(conn *connection) (*confirmation, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, errors.Join(err, ch.Close())
	}
	return &confirmation{Publisher: amqpmw.NewPublisher(ch, amqpmw.WithTelemetry(r.e.Telemetry)), ch: ch,
		returned: ch.NotifyReturn(make(chan amqp.Return, 1)), declared: map[string]bool{}}, nil
}

// Consume implements Consumer. It acknowledges each event after it has been handled.
func (r *rabbit) Consume(ctx context.Context, handle EventFunc) error {
	handle = r.e.burying(handle, r.bury)
	process := amqpmw.Handler(func(ctx context.Context, d amqp.Delivery) error {
		ev, _ := EventOf(d)
		return handle(ctx, ev)
	}, amqpmw.WithTelemetry(r.e.Telemetry), amqpmw.WithChaos(r.e.Chaos))
	var said seldom
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		began := time.Now()
		err := r.receive(ctx, process)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if said.due() {
			r.e.Telemetry.Zerolog().Warn().Err(err).Str("topic", r.topic).Msg("the broker is away, trying again")
		}
		if time.Since(began) > time.Minute {
			wait = 100 * time.Millisecond
		}
		sleep(ctx, wait)
	}
}

// subscribe opens a channel with a consumer.
func (r *rabbit) subscribe(ctx context.Context, conn *connection) (ch *amqp.Channel, shut func(), deliveries <-chan amqp.Delivery, err error) {
	ctx, cancel := context.WithTimeout(ctx, rabbitTimeout)
	defer cancel()
	defer conn.guard(ctx)()
	if ch, shut, err = conn.open(); err != nil {
		return nil, nil, nil, err
	}
	err = errors.Join(ch.Qos(maxEvents, 0, false), declareQueue(ch, r.topic, r.e.Name))
	if err == nil {
		deliveries, err = ch.Consume(QueueName(r.topic, r.e.Name), "", false, false, false, false, nil)
	}
	if err != nil {
		shut()
		return nil, nil, nil, err
	}
	return ch, shut, deliveries, nil
}

// receive handles deliveries until the channel is closed. The broker delivers those that
// were not acknowledged again.
func (r *rabbit) receive(ctx context.Context, process amqpmw.DeliveryFunc) error {
	conn, err := r.connection(ctx)
	if err != nil {
		return err
	}
	ch, shut, deliveries, err := r.subscribe(ctx, conn)
	if err != nil {
		return err
	}
	defer shut()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	run := newLanes()
	defer run.wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case reason := <-closed:
			return fmt.Errorf("the channel was closed: %w", reason)
		case d, ok := <-deliveries:
			if !ok {
				return errors.New("the broker has cancelled the consumer")
			}
			if !r.e.mayTake(ctx) {
				return ctx.Err()
			}
			run.do(d.RoutingKey, func() {
				if untilHandled(ctx, func(ctx context.Context) error { return process(ctx, d) }) == nil {
					_ = d.Ack(false) // the broker delivers it again if this fails
				}
			})
		}
	}
}
