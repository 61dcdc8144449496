package pgxmw_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/pgxmw"
)

func TestConformance(t *testing.T) {
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindClient, Family: "db_client_operation_duration_seconds",
		Dependency: hop.Dependency{Name: "orders-db", Kind: hop.KindDatabase},
		Call: func(_ *testing.T, ctx context.Context, c mwtest.Outbound) {
			tracer := pgxmw.Tracer("orders-db", pgxmw.WithTelemetry(c.Telemetry))
			ctx = tracer.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: "SELECT 1"})
			tracer.TraceQueryEnd(ctx, nil, pgx.TraceQueryEndData{Err: c.Remote(nil)})
		},
	})
}
