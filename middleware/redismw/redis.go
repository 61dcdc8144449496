// Package redismw measures go-redis: a span and RED metrics per command, and
// the wait for it counts as the hop's waiting for a cache. That includes the
// wait for a connection of an exhausted pool, which go-redis shows nobody apart.
//
// A complete program:
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/redis/go-redis/v9"
//
//		"github.com/tenhop/tenhop/middleware/redismw"
//	)
//
//	func main() {
//		client := redis.NewClient(&redis.Options{Addr: "redis:6379"})
//		defer client.Close()
//		if err := redismw.Instrument(client, "carts"); err != nil {
//			log.Fatal(err)
//		}
//		if err := client.Set(context.Background(), "cart:1", "[]", 0).Err(); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// Keys and values are on no span and in no label.
package redismw

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct{ core *adapter.Core }

// Option sets one thing of a client's measurement.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("redismw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
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
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	measured, err := database.NewClient(c.core, "redis", adapter.Dependency{Name: dependency, Kind: adapter.KindCache})
	if err != nil {
		return fmt.Errorf("redismw: %w", err)
	}
	client.AddHook(&hook{client: measured})
	return nil
}

type hook struct{ client *database.Client }

var _ redis.Hook = (*hook)(nil)

func (h *hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return h.measure(ctx, operation(cmd), func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return h.measure(ctx, "PIPELINE", func(ctx context.Context) error { return next(ctx, cmds) })
	}
}

func (h *hook) measure(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, s := h.client.Begin(ctx, name)
	err := do(ctx)
	s.End(errorType(err))
	return err
}

// operation is the command's name. A program that passes on command names of
// its callers (Do) must not make labels of them: what is no plain word is _OTHER.
func operation(cmd redis.Cmder) string {
	name := cmd.Name()
	if len(name) > 24 {
		return adapter.Overflow
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '_' {
			return adapter.Overflow
		}
	}
	return strings.ToUpper(name)
}

// errorType returns error.type: the server's error code (the first word of its
// answer, in capitals), "timeout", or the type of the error.
func errorType(err error) string {
	var answer redis.Error
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil, errors.Is(err, redis.Nil): // a missing key is an answer
		return ""
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &answer):
		code, _, _ := strings.Cut(answer.Error(), " ")
		if code == "" || len(code) > 24 || strings.ToUpper(code) != code {
			return adapter.Overflow
		}
		return code
	}
	return fmt.Sprintf("%T", err)
}
