package sqlmw_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// meters counts the meters that are asked for.
type meters struct {
	noop.MeterProvider
	asked *int
}

func (m meters) Meter(string, ...metric.MeterOption) metric.Meter {
	*m.asked++
	return noop.Meter{}
}

// The metrics go to the telemetry's registry and nowhere else.
func TestNothingGoesToTheGlobalMeterProvider(t *testing.T) {
	before, asked := otel.GetMeterProvider(), 0
	otel.SetMeterProvider(meters{asked: &asked})
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
	if asked != 0 {
		t.Errorf("the global meter provider was asked for %d meters", asked)
	}
}

// A driver that takes no arguments in ExecContext and QueryContext, as MySQL's without
// interpolation, returns driver.ErrSkip, and database/sql prepares the statement. It is
// counted once.
func TestASkippedCallIsCountedOnce(t *testing.T) {
	sql.Register("skipping", skipping{})
	rec := mwtest.New(t)
	db, err := sqlmw.Open("skipping", "", "orders-db", sqlmw.WithTelemetry(rec.Telemetry))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "UPDATE t SET a = ?", 1); err != nil {
		t.Fatal(err)
	}
	rows, err := db.QueryContext(t.Context(), "SELECT ?", 1)
	if err != nil {
		t.Fatal(err)
	}
	_ = rows.Close()
	for _, operation := range []string{"UPDATE", "SELECT"} {
		if n := rec.Count("db_client_operation_duration_seconds", "db_system_name", "skipping", "db_operation_name", operation,
			"dependency", "orders-db", "error_type", ""); n != 1 {
			t.Errorf("%s counts %d times", operation, n)
		}
		spans := 0
		for _, s := range rec.Spans() {
			if s.Name == operation {
				spans++
			}
		}
		if spans != 1 {
			t.Errorf("%s has %d spans", operation, spans)
		}
	}
	if n := rec.Count("db_client_operation_duration_seconds", "db_system_name", "skipping", "db_operation_name", "PREPARE",
		"dependency", "orders-db", "error_type", ""); n != 2 {
		t.Errorf("PREPARE counts %d times", n)
	}
	if n := outside(t, rec.Registry); n != 4 {
		t.Errorf("%v calls without a request, want those of UPDATE, SELECT and their PREPAREs", n)
	}
}

// outside returns hop_outside_calls_total.
func outside(t *testing.T, reg *prometheus.Registry) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "hop_outside_calls_total" {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

type skipping struct{}

func (skipping) Open(string) (driver.Conn, error) { return skippingConn{}, nil }

type skippingConn struct{}

func (skippingConn) Prepare(string) (driver.Stmt, error) { return skippingStmt{}, nil }
func (skippingConn) Close() error                        { return nil }
func (skippingConn) Begin() (driver.Tx, error)           { return nil, driver.ErrBadConn }

func (skippingConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, driver.ErrSkip
}

func (skippingConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return nil, driver.ErrSkip
}

type skippingStmt struct{}

func (skippingStmt) Close() error                               { return nil }
func (skippingStmt) NumInput() int                              { return 1 }
func (skippingStmt) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }
func (skippingStmt) Query([]driver.Value) (driver.Rows, error)  { return noRows{}, nil }

type noRows struct{}

func (noRows) Columns() []string         { return []string{"a"} }
func (noRows) Close() error              { return nil }
func (noRows) Next([]driver.Value) error { return io.EOF }
