// Package kafkamw measures Kafka producers and consumers that use franz-go:
// one span per record in the producer's trace, queue wait, RED metrics, one
// log line and self time.
//
//	cl, err := kgo.NewClient(append(kafkamw.ClientOptions(), kgo.SeedBrokers(addr))...)
//	handle := kafkamw.Handler(func(ctx context.Context, r *kgo.Record) error { … })
package kafkamw

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct {
	telemetry *hop.Telemetry
	chaos     *chaos.Injector
	group     string
}

// Option sets one thing of a producer or a handler.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("kafkamw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.telemetry = t }
}

// WithChaos lets faults be injected into handlers.
func WithChaos(i *chaos.Injector) Option { return func(c *config) { c.chaos = i } }

// WithConsumerGroup names the consumer group on the process spans.
func WithConsumerGroup(name string) Option { return func(c *config) { c.group = name } }

func configure(opts []Option) config {
	var c config
	for _, o := range opts {
		if o == nil {
			panic("kafkamw: nil option")
		}
		o(&c)
	}
	if c.telemetry == nil {
		c.telemetry = hop.Default()
	}
	return c
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("kafkamw: " + err.Error())
	}
	return v
}

// carrier reads and writes record headers; Kafka's are case-sensitive, ours
// are lower-case.
type carrier struct{ record *kgo.Record }

func (c carrier) Get(key string) string {
	for i := len(c.record.Headers) - 1; i >= 0; i-- { // the last one set counts
		if strings.EqualFold(c.record.Headers[i].Key, key) {
			return string(c.record.Headers[i].Value)
		}
	}
	return ""
}

func (c carrier) Set(key, value string) {
	key = strings.ToLower(key)
	for i := range c.record.Headers {
		if strings.EqualFold(c.record.Headers[i].Key, key) {
			c.record.Headers[i] = kgo.RecordHeader{Key: key, Value: []byte(value)}
			return
		}
	}
	c.record.Headers = append(c.record.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
}

func (c carrier) Keys() []string {
	keys := make([]string, len(c.record.Headers))
	for i, h := range c.record.Headers {
		keys[i] = h.Key
	}
	return keys
}

// attributes are those of every span; the record's key is left out: it may be
// personal data.
func attributes(topic, operation, kind string) []attribute.KeyValue {
	a := make([]attribute.KeyValue, 0, 8)
	return append(a, attribute.String("messaging.system", "kafka"),
		attribute.String("messaging.destination.name", topic),
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.operation.type", kind))
}

func errorType(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("%T", err)
}
