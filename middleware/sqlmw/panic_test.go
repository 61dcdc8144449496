package sqlmw_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"go.opentelemetry.io/otel/codes"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// A driver that panics ends its statement, which failed. The panic continues.
func TestADriverThatPanics(t *testing.T) {
	sql.Register("panicking", panicking{})
	rec := mwtest.New(t)
	db, err := sqlmw.Open("panicking", "", "orders-db", sqlmw.WithTelemetry(rec.Telemetry))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	stmt, err := db.PrepareContext(t.Context(), "INSERT INTO t VALUES (1)")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	for operation, call := range map[string]func(ctx context.Context){
		"UPDATE": func(ctx context.Context) { _, _ = db.ExecContext(ctx, "UPDATE t SET a = 1") },
		"SELECT": func(ctx context.Context) { _ = db.QueryRowContext(ctx, "SELECT a FROM t").Scan() },
		"INSERT": func(ctx context.Context) { _, _ = stmt.ExecContext(ctx) },
		"BEGIN":  func(ctx context.Context) { _, _ = db.BeginTx(ctx, nil) },
		"PING":   func(ctx context.Context) { _ = db.PingContext(ctx) },
	} {
		ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "POST /orders"})
		func() {
			defer func() {
				if recover() != "broken" {
					t.Errorf("%s: the panic does not continue", operation)
				}
			}()
			call(ctx)
		}()
		h.End(adapter.Outcome{Quiet: true})
		if n := rec.Count("db_client_operation_duration_seconds", "db_operation_name", operation, "error_type", "panic"); n != 1 {
			t.Errorf("%s: %d failures, want 1", operation, n)
		}
		ended := 0
		for _, s := range rec.Spans() {
			if s.Name == operation && s.Status == codes.Error {
				ended++
			}
		}
		if ended != 1 {
			t.Errorf("%s: %d failed spans, want 1", operation, ended)
		}
	}
}

type panicking struct{}

func (panicking) Open(string) (driver.Conn, error) { return panickingConn{}, nil }

type panickingConn struct{}

func (panickingConn) Prepare(string) (driver.Stmt, error) { return panickingStmt{}, nil }
func (panickingConn) Close() error                        { return nil }
func (panickingConn) Begin() (driver.Tx, error)           { panic("broken") }
func (panickingConn) Ping(context.Context) error          { panic("broken") }

func (panickingConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	panic("broken")
}

func (panickingConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	panic("broken")
}

type panickingStmt struct{}

func (panickingStmt) Close() error                               { return nil }
func (panickingStmt) NumInput() int                              { return 0 }
func (panickingStmt) Exec([]driver.Value) (driver.Result, error) { panic("broken") }
func (panickingStmt) Query([]driver.Value) (driver.Rows, error)  { panic("broken") }
