// Package redismw measures go-redis: a span and RED metrics per command, and
// the wait for it, a connection of the pool included, counts as the hop's
// waiting for a cache.
//
//	client := redis.NewClient(&redis.Options{Addr: addr})
//	err := redismw.Instrument(client, "carts")
package redismw

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct{ telemetry *hop.Telemetry }

// Option sets one thing of a client's measurement.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("redismw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.telemetry = t }
}

// Instrument measures the client's commands. dependency is the store's logical
// name in metrics and findings, such as "carts".
func Instrument(client redis.UniversalClient, dependency string, opts ...Option) error {
	if client == nil {
		return errors.New("redismw: nil client")
	}
	if dependency == "" {
		return errors.New(`redismw: the dependency needs a name, such as "carts"`)
	}
	var c config
	for _, o := range opts {
		if o == nil {
			return errors.New("redismw: nil option")
		}
		o(&c)
	}
	if c.telemetry == nil {
		c.telemetry = hop.Default()
	}
	d, err := c.telemetry.RequestHistogram("db_client_operation_duration_seconds", "Duration of database driver calls.",
		"db_system_name", "db_operation_name", "dependency", "error_type")
	if err != nil {
		return fmt.Errorf("redismw: %w", err)
	}
	client.AddHook(&hook{telemetry: c.telemetry, dependency: hop.Dependency{Name: dependency, Kind: hop.KindCache}, duration: d})
	return nil
}

type hook struct {
	telemetry  *hop.Telemetry
	dependency hop.Dependency
	duration   *hop.Histogram
}

func (h *hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return h.measure(ctx, strings.ToUpper(cmd.Name()), func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return h.measure(ctx, "PIPELINE", func(ctx context.Context) error { return next(ctx, cmds) })
	}
}

func (h *hook) measure(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, call := h.telemetry.BeginCall(ctx, hop.Outgoing{
		Dependency: h.dependency, SpanName: name, SpanKind: trace.SpanKindClient,
		Attributes: []attribute.KeyValue{
			attribute.String("db.system.name", "redis"), attribute.String("db.operation.name", name),
			attribute.String("peer.service", h.dependency.Name),
		},
	})
	err := do(ctx)
	var out hop.Outcome
	if err != nil && !errors.Is(err, redis.Nil) { // a missing key is an answer
		out.ErrorType, out.Failed = fmt.Sprintf("%T", err), true
	}
	sc := call.Span().SpanContext()
	h.duration.Observe(call.End(out), h.telemetry.Now(), sc, "redis", name, h.dependency.Name, out.ErrorType)
	return err
}
