package sqlmw_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// legacyDriver has connections without contexts, and statements that convert their
// arguments.
type legacyDriver struct{}

type legacyConn struct{}

type legacyStmt struct{ slowStmt }

type typedRows struct{ slowRows }

var legacyCalls []string

func (legacyDriver) Open(string) (driver.Conn, error)        { return legacyConn{}, nil }
func (legacyConn) Prepare(string) (driver.Stmt, error)       { return legacyStmt{}, nil }
func (legacyConn) Close() error                              { return nil }
func (legacyConn) Begin() (driver.Tx, error)                 { return nil, driver.ErrSkip }
func (typedRows) ColumnTypeScanType(int) reflect.Type        { return reflect.TypeFor[int32]() }
func (legacyStmt) ColumnConverter(int) driver.ValueConverter { return driver.String }

func (legacyConn) Exec(q string, args []driver.Value) (driver.Result, error) {
	legacyCalls = append(legacyCalls, fmt.Sprint("Exec ", q, args))
	return driver.ResultNoRows, nil
}

func (legacyStmt) Query(args []driver.Value) (driver.Rows, error) {
	legacyCalls = append(legacyCalls, fmt.Sprintf("Query %q", args))
	return &typedRows{}, nil
}

func (legacyStmt) NumInput() int { return -1 }

var registerLegacy = sync.OnceFunc(func() { sql.Register("legacy", legacyDriver{}) })

// A driver's legacy methods, converters and scan types are used, as without sqlmw.
func TestLegacyDriversAreCalled(t *testing.T) {
	registerLegacy()
	rec := mwtest.New(t)
	db, err := sqlmw.Open("legacy", "", "orders-db", sqlmw.WithTelemetry(rec.Telemetry))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	legacyCalls = nil
	if _, err := db.ExecContext(context.Background(), "DELETE", 1); err != nil {
		t.Fatal(err)
	}
	type name string // the statement's converter takes it
	rows, err := db.QueryContext(context.Background(), "SELECT a", name("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil || types[0].ScanType() != reflect.TypeFor[int32]() {
		t.Errorf("scan type %v, %v", types, err)
	}
	if want := `[Exec DELETE[1] Query ["x"]]`; fmt.Sprint(legacyCalls) != want {
		t.Errorf("calls %v, want %s", legacyCalls, want)
	}
	if n := rec.Count("db_client_operation_duration_seconds", "db_operation_name", "DELETE"); n != 1 {
		t.Errorf("%d statements, want 1", n)
	}
}
