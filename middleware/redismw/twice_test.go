package redismw_test

import (
	"context"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/redismw"
)

// A client that is instrumented twice, by a library and by the program, sends each command
// once. The first instrumentation measures it. Another client is a call of its own.
func TestInstrumentedTwice(t *testing.T) {
	rec := mwtest.New(t)
	server := miniredis.RunT(t)
	ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "GET /"})
	other := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer other.Close()
	connected := 0 // go-redis may set a connection up again
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), DB: 1, OnConnect: func(ctx context.Context, cn *redis.Conn) error {
		connected++
		if err := other.Get(ctx, "tenant").Err(); err != nil && err != redis.Nil {
			return err
		}
		return cn.ClientSetName(ctx, "cart").Err()
	}})
	defer client.Close()
	for _, i := range []struct {
		client *redis.Client
		name   string
	}{{client, "carts"}, {client, "sessions"}, {other, "tenants"}} {
		if err := redismw.Instrument(i.client, i.name, redismw.WithTelemetry(rec.Telemetry)); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Set(ctx, "a", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Pipelined(ctx, func(p redis.Pipeliner) error { p.Get(ctx, "a"); p.Incr(ctx, "a"); return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error { p.Incr(ctx, "a"); return nil }); err != nil {
		t.Fatal(err)
	}
	h.End(adapter.Outcome{Quiet: true})
	const family = "db_client_operation_duration_seconds"
	for dependency, want := range map[string]int{"carts": 3, "sessions": 0, "tenants": connected} {
		if n := rec.Count(family, "dependency", dependency); n != want {
			t.Errorf("%s has %d calls, want %d", dependency, n, want)
		}
	}
	if n := len(rec.Spans()); n != 4+connected {
		t.Errorf("%d spans, want those of %d calls and of the hop", n, 3+connected)
	}
}

// A hook of the program that panics ends the command, which failed.
func TestAHookThatPanics(t *testing.T) {
	rec := mwtest.New(t)
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer client.Close()
	if err := redismw.Instrument(client, "carts", redismw.WithTelemetry(rec.Telemetry)); err != nil {
		t.Fatal(err)
	}
	client.AddHook(panicking{})
	for name, call := range map[string]func(){
		"GET": func() { client.Get(t.Context(), "a") },
		"PIPELINE": func() {
			_, _ = client.Pipelined(t.Context(), func(p redis.Pipeliner) error { p.Get(t.Context(), "a"); return nil })
		},
	} {
		func() {
			defer func() {
				if recover() != "boom" {
					t.Errorf("%s: the panic does not continue", name)
				}
			}()
			call()
		}()
		if n := rec.Count("db_client_operation_duration_seconds", "db_operation_name", name, "error_type", "panic"); n != 1 {
			t.Errorf("%s: %d failures", name, n)
		}
	}
}

type panicking struct{}

func (panicking) DialHook(next redis.DialHook) redis.DialHook { return next }
func (panicking) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { panic("boom") }
}
func (panicking) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { panic("boom") }
}
