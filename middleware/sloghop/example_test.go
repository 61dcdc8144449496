package sloghop_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/sloghop"
)

// Lines of a request say which; the trace's IDs are left out here, since they
// differ from run to run.
func ExampleNew() {
	t, err := hop.New(hop.WithServiceName("payment"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithLogger(zerolog.Nop()))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, h := t.Begin(context.Background(), hop.Incoming{Protocol: "batch", Operation: "settle",
		Carrier: propagation.MapCarrier{"x-correlation-id": "ticket-4711"}})
	defer h.End(hop.Outcome{})

	logger := slog.New(sloghop.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "trace_id" || a.Key == "span_id" {
			return slog.Attr{}
		}
		return a
	}})))
	logger.InfoContext(ctx, "charged", "cents", 990)
	logger.Info("without the request's context")
	// Output:
	// level=INFO msg=charged cents=990 correlation_id=ticket-4711
	// level=INFO msg="without the request's context"
}
