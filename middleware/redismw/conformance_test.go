package redismw_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/redismw"
)

// answers is a hook that answers commands in the server's place.
type answers func() error

func (answers) DialHook(next redis.DialHook) redis.DialHook { return next }
func (answers) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (a answers) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { return a() }
}

func TestConformance(t *testing.T) {
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindClient, Family: "db_client_operation_duration_seconds",
		Dependency: hop.Dependency{Name: "carts", Kind: hop.KindCache},
		Call: func(t *testing.T, ctx context.Context, c mwtest.Outbound) {
			client := redis.NewClient(&redis.Options{Addr: "unused"})
			defer client.Close()
			if err := redismw.Instrument(client, "carts", redismw.WithTelemetry(c.Telemetry)); err != nil {
				t.Fatal(err)
			}
			client.AddHook(answers(func() error { return c.Remote(nil) }))
			_ = client.Get(ctx, "cart:1").Err()
		},
	})
}
