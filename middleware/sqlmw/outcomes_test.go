package sqlmw_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// outcomes is a driver whose statements end as failing says.
type outcomes struct {
	failing atomic.Pointer[func(ctx context.Context) error]
}

func (o *outcomes) Open(string) (driver.Conn, error) { return outcomeConn{o}, nil }

type outcomeConn struct{ o *outcomes }

func (outcomeConn) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (outcomeConn) Close() error                        { return nil }
func (outcomeConn) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }

func (c outcomeConn) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	if err := (*c.o.failing.Load())(ctx); err != nil {
		return nil, err
	}
	return noRows{}, nil
}

// An empty result is no error, a canceled context is the caller's doing, and a statement
// that database/sql tries again on another connection is in the numbers as often as it
// was tried.
func TestOutcomesOfAStatement(t *testing.T) {
	o := &outcomes{}
	sql.Register("outcomes", o)
	tries, leave := 0, context.CancelFunc(nil)
	for _, c := range []struct {
		why    string
		fail   func(context.Context) error
		err    error
		counts map[string]int // by error_type
	}{
		{"no rows", func(context.Context) error { return nil }, sql.ErrNoRows, map[string]int{"": 1}},
		{"canceled", func(ctx context.Context) error { leave(); <-ctx.Done(); return ctx.Err() }, context.Canceled, map[string]int{"canceled": 1}},
		{"a bad connection, then a good one", func(context.Context) error {
			if tries++; tries == 1 {
				return driver.ErrBadConn
			}
			return nil
		}, sql.ErrNoRows, map[string]int{"": 1, "bad_connection": 1}},
	} {
		t.Run(c.why, func(t *testing.T) {
			rec := mwtest.New(t)
			db, err := sqlmw.Open("outcomes", "", "orders-db", sqlmw.WithTelemetry(rec.Telemetry))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			o.failing.Store(&c.fail)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			leave = cancel
			var s string
			if err := db.QueryRowContext(ctx, "SELECT a FROM t").Scan(&s); !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			for errorType, want := range c.counts {
				if n := rec.Count("db_client_operation_duration_seconds", "db_operation_name", "SELECT", "error_type", errorType); n != want {
					t.Errorf("%d with error_type %q, want %d", n, errorType, want)
				}
			}
		})
	}
}
