package redismw_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/redismw"
)

func newClient(t *testing.T, poolSize int) (*redis.Client, *hop.Telemetry, *tracetest.SpanRecorder, *prometheus.Registry) {
	t.Helper()
	spans, reg := tracetest.NewSpanRecorder(), prometheus.NewRegistry()
	tel, err := hop.New(hop.WithServiceName("cart"), hop.WithRegistry(reg), hop.WithZerolog(zerolog.New(io.Discard)),
		hop.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr(), PoolSize: poolSize, MaxActiveConns: poolSize, PoolTimeout: time.Minute})
	t.Cleanup(func() { _ = client.Close() })
	if err := redismw.Instrument(client, "carts", redismw.WithTelemetry(tel)); err != nil {
		t.Fatal(err)
	}
	return client, tel, spans, reg
}

// wait returns the cache wait in seconds.
func wait(t *testing.T, reg *prometheus.Registry) (seconds float64) {
	t.Helper()
	mfs, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() == "hop_wait_duration_seconds" {
			for _, m := range mf.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "dependency_kind" && l.GetValue() == hop.KindCache {
						seconds += m.GetHistogram().GetSampleSum()
					}
				}
			}
		}
	}
	return seconds
}

func TestCommandIsASpanAndAWait(t *testing.T) {
	client, tel, spans, reg := newClient(t, 2)
	ctx, h := tel.Core().Begin(t.Context(), adapter.Incoming{Protocol: "grpc", Operation: "tenhop.v1.Cart/Get"})
	if err := client.Get(ctx, "cart:alice").Err(); err != redis.Nil { // go-redis returns it itself
		t.Fatal(err)
	}
	if err := client.Do(ctx, "NOSUCH").Err(); err == nil {
		t.Fatal("an unknown command succeeded")
	}
	h.End(adapter.Outcome{Quiet: true})
	if wait(t, reg) <= 0 {
		t.Error("the commands are no wait of the hop")
	}
	var get, failed sdktrace.ReadOnlySpan
	for _, s := range spans.Ended() {
		switch s.Name() {
		case "GET":
			get = s
		case "NOSUCH":
			failed = s
		}
	}
	if get == nil || get.Status().Code == codes.Error {
		t.Fatalf("a missing key is an answer, the span says %v", get)
	}
	located := map[string]string{}
	for _, a := range get.Attributes() {
		located[string(a.Key)] = a.Value.String()
		if a.Value.String() == "cart:alice" {
			t.Errorf("the key is in %s", a.Key)
		}
	}
	if at := net.JoinHostPort(located["server.address"], located["server.port"]); at != client.Options().Addr || located["db.namespace"] != "0" {
		t.Errorf("database %q at %s, want 0 at %s", located["db.namespace"], at, client.Options().Addr)
	}
	if failed == nil || failed.Status().Code != codes.Error {
		t.Errorf("the failed command's span is %v", failed)
	}
}

func TestWaitForAnExhaustedPoolIsNotSelfTime(t *testing.T) {
	client, tel, _, reg := newClient(t, 1)
	const hold = 100 * time.Millisecond
	held := client.Conn()
	if err := held.Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, h := tel.Core().Begin(t.Context(), adapter.Incoming{Protocol: "grpc", Operation: "tenhop.v1.Cart/Get"})
	timer := time.AfterFunc(hold, func() { _ = held.Close() })
	defer timer.Stop()
	if err := client.Set(ctx, "a", "b", 0).Err(); err != nil {
		t.Fatal(err)
	}
	got := h.End(adapter.Outcome{Quiet: true})
	if got.Duration < hold || got.Self > got.Duration-hold || wait(t, reg) < hold.Seconds() {
		t.Errorf("self %v of %v, wait %v s: the %v for a connection are the dependency's", got.Self, got.Duration, wait(t, reg), hold)
	}
}

func TestWrongUseIsAnError(t *testing.T) {
	if err := redismw.Instrument(nil, "carts"); err == nil {
		t.Error("a nil client was accepted")
	}
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	if err := redismw.Instrument(client, ""); err == nil {
		t.Error("an empty dependency was accepted")
	}
}
