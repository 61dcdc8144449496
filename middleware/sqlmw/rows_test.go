package sqlmw_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// slowDriver answers every query with two results of three rows, and needs a
// second for each step.
type slowDriver struct{}

func (slowDriver) Open(string) (driver.Conn, error) { return slowConn{}, nil }

type slowConn struct{}

func (slowConn) Prepare(string) (driver.Stmt, error) { return slowStmt{}, nil }
func (slowConn) Close() error                        { return nil }
func (slowConn) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }

type slowStmt struct{}

func (slowStmt) Close() error                               { return nil }
func (slowStmt) NumInput() int                              { return 0 }
func (slowStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (slowStmt) Query([]driver.Value) (driver.Rows, error) {
	time.Sleep(time.Second)
	return &slowRows{}, nil
}

type slowRows struct{ row, result int }

func (r *slowRows) Columns() []string { return []string{"a"} }
func (r *slowRows) Close() error      { time.Sleep(time.Second); return nil }
func (r *slowRows) Next(dest []driver.Value) error {
	time.Sleep(time.Second)
	if r.row++; r.row > 3 {
		return io.EOF
	}
	dest[0] = int64(r.row)
	return nil
}
func (r *slowRows) HasNextResultSet() bool { return r.result == 0 }
func (r *slowRows) NextResultSet() error {
	time.Sleep(time.Second)
	if r.result++; r.result > 1 {
		return io.EOF
	}
	r.row = 0
	return nil
}
func (r *slowRows) ColumnTypeDatabaseTypeName(int) string                   { return "INT8" }
func (r *slowRows) ColumnTypeLength(int) (int64, bool)                      { return 8, true }
func (r *slowRows) ColumnTypeNullable(int) (bool, bool)                     { return true, true }
func (r *slowRows) ColumnTypePrecisionScale(int) (p, scale int64, has bool) { return 19, 2, true }

var registerSlow = sync.OnceFunc(func() { sql.Register("slow", slowDriver{}) })

func openSlow(t *testing.T) (*mwtest.Recorder, *sqlmw.DB) {
	t.Helper()
	registerSlow()
	rec := mwtest.New(t)
	db, err := sqlmw.Open("slow", "", "orders-db", sqlmw.WithTelemetry(rec.Telemetry))
	if err != nil {
		t.Fatal(err)
	}
	return rec, db
}

// Fetching is the database's time, what happens between two rows the service's.
func TestFetchingRowsIsWaiting(t *testing.T) {
	for _, prepared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			rec, db := openSlow(t)
			defer db.Close() // within the bubble
			ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "test", Operation: "list"})
			var rows *sql.Rows
			if prepared {
				s, err := db.PrepareContext(ctx, "SELECT a")
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				rows, err = s.QueryContext(ctx)
				if err != nil {
					t.Fatal(err)
				}
			} else {
				var err error
				if rows, err = db.QueryContext(ctx, "SELECT a"); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			for more := true; more; more = rows.NextResultSet() {
				for rows.Next() {
					n++
					time.Sleep(10 * time.Second) // the service's own
				}
			}
			if err := rows.Close(); err != nil || n != 6 {
				t.Fatalf("%d rows, %v", n, err)
			}
			got := h.End(adapter.Outcome{Quiet: true})
			// Query, 2 × (3 rows and the end), the second result, the end of all, close.
			const waited = 12 * time.Second
			if got.Self != 60*time.Second || got.Duration < 60*time.Second+waited-2*time.Second {
				t.Errorf("prepared %v: self %v of %v, want 1m0s", prepared, got.Self, got.Duration)
			}
			if w := rec.Sum("hop_wait_duration_seconds", "dependency", "orders-db", "dependency_kind", "database"); w < 10 {
				t.Errorf("waited %v s", w)
			}
		})
	}
}

// A wrapper that hides what a driver can do changes what database/sql does.
func TestNothingTheDriverCanDoIsHidden(t *testing.T) {
	rec, db := openSlow(t)
	defer db.Close()
	ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "test", Operation: "list"})
	defer h.End(adapter.Outcome{})
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Raw(func(dc any) error {
		if _, ok := dc.(slowConn); !ok {
			t.Errorf("the driver's own connection is out of reach behind a %T", dc)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, ok := db.Driver().(slowDriver); !ok {
		t.Errorf("the driver is a %T", db.Driver())
	}
	if err := c.Conn.Raw(func(dc any) error {
		has[driver.ConnBeginTx](t, dc)
		has[driver.ConnPrepareContext](t, dc)
		if _, ok := dc.(driver.ExecerContext); ok {
			t.Error("the driver cannot execute without preparing")
		}
		has[driver.NamedValueChecker](t, dc)
		has[driver.Pinger](t, dc)
		has[driver.SessionResetter](t, dc)
		has[driver.Validator](t, dc)
		s, err := dc.(driver.ConnPrepareContext).PrepareContext(ctx, "SELECT a")
		if err != nil {
			return err
		}
		has[driver.NamedValueChecker](t, s)
		has[driver.StmtExecContext](t, s)
		r, err := s.(driver.StmtQueryContext).QueryContext(ctx, nil)
		if err != nil {
			return err
		}
		has[driver.RowsNextResultSet](t, r)
		if n := r.(driver.RowsColumnTypeDatabaseTypeName).ColumnTypeDatabaseTypeName(0); n != "INT8" {
			t.Errorf("type %q", n)
		}
		if n, ok := r.(driver.RowsColumnTypeLength).ColumnTypeLength(0); n != 8 || !ok {
			t.Errorf("length %d", n)
		}
		if yes, ok := r.(driver.RowsColumnTypeNullable).ColumnTypeNullable(0); !yes || !ok {
			t.Error("not nullable")
		}
		if p, s, ok := r.(driver.RowsColumnTypePrecisionScale).ColumnTypePrecisionScale(0); p != 19 || s != 2 || !ok {
			t.Errorf("precision %d, %d", p, s)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func has[T any](t *testing.T, v any) {
	t.Helper()
	if _, ok := v.(T); !ok {
		t.Errorf("%T is no %v", v, reflect.TypeFor[T]())
	}
}

func BenchmarkRows(b *testing.B) {
	rec := mwtest.New(b)
	db, err := sqlmw.Open("sqlite", "file::memory:", "orders-db", sqlmw.WithTelemetry(rec.Telemetry))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	const thousand = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000) SELECT i FROM n"
	for _, c := range []struct {
		name string
		hop  bool
	}{{"measured", true}, {"outside a hop", false}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, h := context.Background(), (*adapter.Hop)(nil)
				if c.hop {
					ctx, h = rec.Core().Begin(ctx, adapter.Incoming{Protocol: "test", Operation: "list"})
				}
				rows, err := db.DB.QueryContext(ctx, thousand)
				if err != nil {
					b.Fatal(err)
				}
				var v int64
				for rows.Next() {
					if err := rows.Scan(&v); err != nil {
						b.Fatal(err)
					}
				}
				_ = rows.Close()
				h.End(adapter.Outcome{Quiet: true})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
		})
	}
}
