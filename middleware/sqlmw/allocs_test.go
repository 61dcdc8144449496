package sqlmw_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// idleDriver has statements that do nothing.
type idleDriver struct{}

type idleConn struct{}

func (idleDriver) Open(string) (driver.Conn, error)  { return idleConn{}, nil }
func (idleConn) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (idleConn) Close() error                        { return nil }
func (idleConn) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }

func (idleConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, nil
}

var registerIdle = sync.OnceFunc(func() { sql.Register("idle", idleDriver{}) })

// exec returns a function that executes a statement of a hop, without spans.
func exec(tb testing.TB) func() {
	registerIdle()
	tel, err := hop.New(hop.WithServiceName("bench"), hop.WithRegistry(prometheus.NewRegistry()),
		hop.WithZerolog(zerolog.New(io.Discard)), hop.WithTracerProvider(noop.NewTracerProvider()))
	if err != nil {
		tb.Fatal(err)
	}
	db, err := sqlmw.Open("idle", "", "orders-db", sqlmw.WithTelemetry(tel))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	ctx, _ := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "POST /pay"})
	return func() {
		if _, err := db.ExecContext(ctx, "DELETE FROM t"); err != nil {
			tb.Error(err)
		}
	}
}

// maxExecAllocs is the number of allocations of a statement without a span, with those of
// database/sql.
const maxExecAllocs = 4

func TestExecAllocations(t *testing.T) {
	n := testing.AllocsPerRun(1000, exec(t))
	t.Logf("%v allocations", n)
	if n > maxExecAllocs {
		t.Errorf("%v allocations, at most %d", n, maxExecAllocs)
	}
}

func BenchmarkExec(b *testing.B) {
	f := exec(b)
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
}
