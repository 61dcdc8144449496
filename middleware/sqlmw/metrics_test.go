package sqlmw_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// meters records the attributes of all measurements of durations.
type meters struct {
	noop.MeterProvider
	recorded *histogram
}

func (m meters) Meter(string, ...metric.MeterOption) metric.Meter {
	return meter{recorded: m.recorded}
}

type meter struct {
	noop.Meter
	recorded *histogram
}

func (m meter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return m.recorded, nil
}

type histogram struct {
	noop.Float64Histogram
	sets []attribute.Set
}

func (*histogram) Enabled(context.Context) bool { return true }

func (h *histogram) Record(_ context.Context, _ float64, opts ...metric.RecordOption) {
	h.sets = append(h.sets, metric.NewRecordConfig(opts).Attributes())
}

// A statement is measured once: otelsql's own metrics do not go to the global meter
// provider beside db_client_operation_duration_seconds.
func TestNoMetricsOfOtelsql(t *testing.T) {
	before := otel.GetMeterProvider()
	recorded := &histogram{}
	otel.SetMeterProvider(meters{recorded: recorded})
	t.Cleanup(func() { otel.SetMeterProvider(before) })
	rec := mwtest.New(t)
	db, err := sqlmw.Open("sqlite", "file:"+t.TempDir()+"/t.db", "orders-db", sqlmw.WithTelemetry(rec.Telemetry))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE t (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	if len(recorded.sets) != 0 {
		t.Errorf("otelsql measured %d calls", len(recorded.sets))
	}
	if n := rec.Count("db_client_operation_duration_seconds", "db_operation_name", "CREATE"); n != 1 {
		t.Errorf("the statement was measured %d times, want once", n)
	}
}
