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

// Option configures a publisher or a handler.
type Option = messaging.Option

// WithTelemetry sets the telemetry. The default is hop.Default.
func WithTelemetry(t *hop.Telemetry) Option { return messaging.WithTelemetry(t) }

// WithChaos sets the fault injector for handlers. A nil Injector injects nothing.
func WithChaos(i *chaos.Injector) Option { return messaging.WithChaos(i) }

// WithQueue sets the name of the queue that a handler reads. A delivery names only
// its exchange. With the option, its destination is exchange:queue, so that two
// queues of an exchange are separate operations.
func WithQueue(name string) Option { return messaging.WithQueue(name) }

// ErrNacked is returned for a message that the broker did not confirm. The broker
// refused the message, or the channel closed before the response.
var ErrNacked = errors.New("amqpmw: the broker did not confirm the message")

// error.type of a closed channel or connection is its reply code, such as AMQP_404.
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

// temporary reports whether the broker named the queue: an exclusive one declared
// without a name, or a pseudo-queue of direct reply-to.
func temporary(queue string) bool {
	return strings.HasPrefix(queue, "amq.gen-") || strings.HasPrefix(queue, "amq.rabbitmq.reply-to")
}

// destination returns the destination of a message in names and labels.
func destination(exchange, key string) string {
	if exchange == "" { // the default exchange: the key is the queue's name
		return key
	}
	return exchange
}
