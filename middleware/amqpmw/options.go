package amqpmw

import (
	"errors"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/messaging"
)

// Option sets one thing of a publisher or a handler.
type Option = messaging.Option

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option { return messaging.WithTelemetry(t) }

// WithChaos lets faults be injected into handlers; a nil Injector injects none.
func WithChaos(i *chaos.Injector) Option { return messaging.WithChaos(i) }

// WithQueue names the queue that a handler's deliveries come from. A delivery says
// only which exchange it was published to; with the queue's name the destination
// is exchange:queue, so that two queues of one exchange are two operations.
func WithQueue(name string) Option { return messaging.WithQueue(name) }

// ErrNacked is what Publish returns for a message that the broker did not
// confirm: it refused the message, or the channel closed before it answered.
var ErrNacked = errors.New("amqpmw: the broker did not confirm the message")

// A closed channel's or connection's reply code is named as AMQP_404.
var system = messaging.System{Name: "rabbitmq", ErrorType: func(err error) string {
	var broker *amqp.Error
	switch {
	case errors.Is(err, ErrNacked):
		return "nacked"
	case errors.As(err, &broker):
		return "AMQP_" + strconv.Itoa(broker.Code)
	}
	return ""
}, Temporary: temporary}

// temporary tells queues that the broker named: exclusive ones declared without
// a name, and the pseudo-queues of direct reply-to.
func temporary(queue string) bool {
	return strings.HasPrefix(queue, "amq.gen-") || strings.HasPrefix(queue, "amq.rabbitmq.reply-to")
}

// destination is what a message belongs to in names and labels.
func destination(exchange, key string) string {
	if exchange == "" { // the default exchange: the key is the queue's name
		return key
	}
	return exchange
}
