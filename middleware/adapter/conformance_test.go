package adapter_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// The adapter in the package comment keeps the contract.
func TestExampleAdapterConforms(t *testing.T) {
	mwtest.TestServer(t, mwtest.Server{
		Operation: "run sign-up", Kind: trace.SpanKindConsumer, Family: "job_run_duration_seconds",
		Deliver: func(t *testing.T, d mwtest.Delivery) map[string]string {
			handle, err := Handler(d.Telemetry, func(ctx context.Context, _ *Job) error { return d.Handle(ctx) })
			if err != nil {
				t.Fatal(err)
			}
			_ = handle(t.Context(), &Job{Name: "sign-up", Header: d.Headers})
			return nil
		},
	})
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindProducer, Headers: true, Family: "job_submit_duration_seconds",
		Dependency: hop.Dependency{Name: "jobs", Kind: hop.KindProduce},
		Call: func(t *testing.T, ctx context.Context, c mwtest.Outbound) {
			submit, err := Client(c.Telemetry, "jobs", func(_ context.Context, j *Job) error { return c.Remote(j.Header) })
			if err != nil {
				t.Fatal(err)
			}
			_ = submit(ctx, &Job{Name: "sign-up"})
		},
	})
}
