// Package redismw measures go-redis. Each command has a span and RED metrics. The
// time of a command counts as a wait of the hop for a cache. It includes the wait
// for a connection of an exhausted pool, which go-redis does not report separately.
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
// A pipeline is one call. Its span has the number of commands as
// db.operation.batch.size, and its error is that of the first command that failed. So is
// a transaction. The commands with which go-redis sets up a connection, and those of
// Options.OnConnect, are part of the command that needed the connection.
//
// No signal has a key or a value.
package redismw

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct{ core *adapter.Core }

// Option configures Instrument.
type Option func(*config)

// WithTelemetry sets the telemetry. The default is hop.Default. It panics when t is
// nil.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("redismw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// Instrument measures the commands of client. Only the first Instrument of a client with
// the same telemetry has an effect. dependency is the store's logical name
// in metrics, such as "carts". It returns an error for a nil client, an empty name, a
// nil option or a registry that refuses its metrics.
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
	measured.Locate(locationOf(client))
	client.AddHook(&hook{core: c.core, client: measured})
	return nil
}

// locationOf returns where the database of a client of one server is. Other clients have
// several servers.
func locationOf(client redis.UniversalClient) (l database.Location) {
	one, ok := client.(*redis.Client)
	if !ok {
		return l
	}
	o := one.Options()
	if o.Network == "unix" {
		return database.Location{Namespace: strconv.Itoa(o.DB), Address: o.Addr}
	}
	host, port, err := net.SplitHostPort(o.Addr)
	if err != nil { // the client of a sentinel has a name there
		return l
	}
	l = database.Location{Namespace: strconv.Itoa(o.DB), Address: host}
	l.Port, _ = strconv.Atoi(port)
	return l
}

type hook struct {
	core   *adapter.Core
	client *database.Client
}

var _ redis.Hook = (*hook)(nil)

func (h *hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if within := h.within(ctx, cmd); within != nil {
			return next(within, cmd)
		}
		if handshake(cmd) {
			return next(ctx, cmd)
		}
		ctx, s := h.client.Begin(ctx, operation(cmd))
		defer s.End(adapter.ErrorPanic) // unless it has ended
		err := next(&measured{ctx, h, cmd}, cmd)
		s.End(errorType(err))
		return err
	}
}

func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) == 0 || allHandshake(cmds) {
			return next(ctx, cmds)
		}
		if within := h.within(ctx, cmds[0]); within != nil {
			return next(within, cmds)
		}
		members := members(cmds)
		var size []attribute.KeyValue
		if len(members) > 1 { // the semantic conventions know no batch of one
			size = []attribute.KeyValue{adapter.AttrDBBatchSize.Int(len(members))}
		}
		ctx, s := h.client.Begin(ctx, "PIPELINE", size...)
		defer s.End(adapter.ErrorPanic) // unless it has ended
		err := next(&measured{ctx, h, cmds[0]}, cmds)
		s.End(errorType(failure(err, members)))
		return err
	}
}

// members returns the commands of a pipeline without MULTI and EXEC, between which
// go-redis puts those of a transaction.
func members(cmds []redis.Cmder) []redis.Cmder {
	if n := len(cmds); n >= 2 && cmds[0].Name() == "multi" && cmds[n-1].Name() == "exec" {
		return cmds[1 : n-1]
	}
	return cmds
}

// failure returns the error of a pipeline: that of its first command that failed. A
// missing key is no failure. go-redis returns the first command's error of any kind, none
// of a failed one behind it, and EXECABORT for a transaction with a refused command.
func failure(err error, members []redis.Cmder) error {
	for _, cmd := range members {
		e := cmd.Err()
		if e != nil && !errors.Is(e, redis.Nil) && !redis.IsExecAbortError(e) {
			return e
		}
	}
	return err
}

// operation returns the command's name, or _OTHER when it is not a plain word. A
// program may pass on names from its callers with Do, which must not become labels.
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
