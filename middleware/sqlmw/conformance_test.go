package sqlmw_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// funcDriver executes each statement by calling a function.
type funcDriver struct{ exec atomic.Pointer[func() error] }

func (d *funcDriver) Open(string) (driver.Conn, error) { return funcConn{d}, nil }

type funcConn struct{ d *funcDriver }

func (funcConn) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (funcConn) Close() error                        { return nil }
func (funcConn) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }
func (c funcConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, (*c.d.exec.Load())()
}

var function funcDriver

var registerFunction = sync.OnceFunc(func() { sql.Register("function", &function) })

func TestConformance(t *testing.T) {
	registerFunction()
	mwtest.TestClient(t, mwtest.Client{
		Kind: trace.SpanKindClient, Family: "db_client_operation_duration_seconds", Labels: []string{"db_operation_name", "UPDATE"}, Span: "UPDATE",
		Dependency: hop.Dependency{Name: "orders-db", Kind: hop.KindDatabase},
		Call: func(t *testing.T, ctx context.Context, c mwtest.Outbound) {
			db, err := sqlmw.Open("function", "", "orders-db", sqlmw.WithTelemetry(c.Telemetry))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			exec := func() error { return c.Remote(nil) }
			function.exec.Store(&exec)
			_, _ = db.ExecContext(ctx, "UPDATE orders SET n = 1")
		},
	})
}
