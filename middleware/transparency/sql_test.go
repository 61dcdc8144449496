package transparency

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/sqlmw"
)

const onSQL = "sqlmw"

func sqlFamily() family {
	return family{title: "SQL", about: "Fake drivers with every subset of the optional interfaces of database/sql/driver. Each call that reaches the driver\n" +
		"and each result is recorded.", columns: []string{onSQL}, rows: sqlRows()}
}

// whole is the last line of a table: all of its interfaces.
func whole[F any](table []F) F { return table[len(table)-1] }

func sqlRows() []row {
	full := func(x *exchange) *fake {
		return &fake{x: x, conn: whole(connSubsets), stmt: whole(stmtSubsets), rows: whole(rowsSubsets)}
	}
	// failing fails each call of a name as often as errs has errors.
	failing := func(call string, script func(*exchange, *fake), errs ...error) map[string]func(*exchange) {
		return on(func(x *exchange, _ string) {
			f, n := full(x), 0
			f.fail = func(c string) error {
				if n++; !strings.HasSuffix(c, call) || n == 0 {
					n--
					return nil
				}
				if n > len(errs) {
					return nil
				}
				return errs[n-1]
			}
			script(x, f)
		}, onSQL)
	}
	exec := func(x *exchange, f *fake) {
		x.database(f, "fake", func(ctx context.Context, db database) { x.exec(ctx, db, "v") })
	}
	return []row{
		{feature: "sql.Open", intended: "connector opened twice", cells: on(opens, onSQL)},
		{feature: fmt.Sprintf("Conn: each of %d subsets of Execer, ExecerContext, Queryer, QueryerContext, NamedValueChecker, ConnPrepareContext, ConnBeginTx", len(connSubsets)),
			cells: on(func(x *exchange, _ string) {
				for _, s := range connSubsets {
					f := full(x)
					f.conn, f.stmt, f.rows = s, stmtSubsets[0], rowsSubsets[0]
					x.everything(f, "fake")
				}
			}, onSQL)},
		{feature: fmt.Sprintf("Conn: each of %d subsets of Pinger, SessionResetter, Validator", len(poolSubsets)), cells: on(func(x *exchange, _ string) {
			for _, s := range poolSubsets {
				f := full(x)
				f.conn = s
				x.everything(f, "fake-context")
			}
		}, onSQL)},
		{feature: fmt.Sprintf("Stmt: each of %d subsets of StmtExecContext, StmtQueryContext, NamedValueChecker, ColumnConverter", len(stmtSubsets)), cells: on(func(x *exchange, _ string) {
			for _, s := range stmtSubsets {
				for _, c := range []int{0, 16} { // without and with the connection's NamedValueChecker
					f := full(x)
					f.conn, f.stmt = connSubsets[c], s
					x.everything(f, "fake")
				}
			}
		}, onSQL)},
		{feature: fmt.Sprintf("Rows: each of %d subsets of RowsNextResultSet and RowsColumnType…", len(rowsSubsets)), cells: on(func(x *exchange, _ string) {
			for _, s := range rowsSubsets {
				f := full(x)
				f.rows = s
				x.everything(f, "fake")
			}
		}, onSQL)},
		{feature: "driver.ErrSkip", cells: failing(".ExecContext", exec, driver.ErrSkip)},
		{feature: "driver.ErrBadConn, retried", cells: failing(".ExecContext", exec, driver.ErrBadConn, driver.ErrBadConn)},
		{feature: "driver.ErrBadConn, to the end", cells: failing(".ExecContext", exec, driver.ErrBadConn, driver.ErrBadConn, driver.ErrBadConn, driver.ErrBadConn)},
		{feature: "errors of the driver", cells: failing(".ExecContext", exec, sql.ErrNoRows)},
		{feature: "error of Open", cells: failing("Open", exec, sql.ErrConnDone)},
		{feature: "error of Commit", cells: failing("Commit", func(x *exchange, f *fake) { x.everything(f, "fake") }, sql.ErrTxDone)},
		{feature: "Conn.Raw, DB.Driver, closing the connector", cells: on(func(x *exchange, _ string) {
			for _, name := range []string{"fake", "fake-context"} {
				x.database(full(x), name, func(ctx context.Context, db database) {
					x.note("sql", "%T", db.Driver())
					x.raw(ctx, db)
				})
			}
		}, onSQL)},
	}
}

// opens asserts that the driver is asked for a second connector, through which
// sqlmw.Open learns the driver of a name, and that this one is closed.
func opens(x *exchange, _ string) {
	inner := newExchange(x.T, x.measured)
	f := &fake{x: inner, opened: true}
	inner.database(f, "fake-context", func(context.Context, database) {})
	want := 1
	if x.measured {
		want = 2
	}
	if s := inner.transcript(); strings.Count(s, "OpenConnector") != want || strings.Count(s, "Connector.Close") != want {
		x.Error(s)
	}
	x.note("driver", "compared by the script")
}

// database has the methods of sql.DB that a service calls.
type database interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	PrepareContext(context.Context, string) (*sql.Stmt, error)
	BeginTx(context.Context, *sql.TxOptions) (*sql.Tx, error)
	PingContext(context.Context) error
	Driver() driver.Driver
	Close() error
}

// database runs a script on a database of one connection.
func (x *exchange) database(f *fake, driverName string, script func(context.Context, database)) {
	registerFakes()
	dsn := fmt.Sprintf("%p", f)
	fakes.Store(dsn, f)
	defer fakes.Delete(dsn)
	var db database
	if x.measured {
		measured, err := sqlmw.Open(driverName, dsn, "things-db", sqlmw.WithTelemetry(x.tel))
		x.must(err)
		measured.SetMaxOpenConns(1)
		db = measured
	} else {
		bare, err := sql.Open(driverName, dsn)
		x.must(err)
		bare.SetMaxOpenConns(1)
		db = bare
	}
	f.opened = true
	script(x.hop(), db)
	x.call("sql", "Close", db.Close())
}

func (x *exchange) raw(ctx context.Context, db database) {
	see := func(dc any) error { x.note("sql", "%T", dc); return nil }
	switch db := db.(type) {
	case *sqlmw.DB:
		c, err := db.Conn(ctx)
		x.must(err)
		x.call("sql", "Raw", c.Raw(see))
		x.call("sql", "Close", c.Close())
	case *sql.DB:
		c, err := db.Conn(ctx)
		x.must(err)
		x.call("sql", "Raw", c.Raw(see))
		x.call("sql", "Close", c.Close())
	}
}

func (x *exchange) exec(ctx context.Context, db database, args ...any) {
	r, err := db.ExecContext(ctx, "INSERT INTO t", args...)
	x.call("sql", "ExecContext", err)
	x.result(r)
}

func (x *exchange) result(r sql.Result) {
	if r != nil {
		id, err := r.LastInsertId()
		n, err2 := r.RowsAffected()
		x.note("sql", "%d %v %d %v", id, err, n, err2)
	}
}

func (x *exchange) rows(r *sql.Rows, err error) {
	if x.call("sql", "Query", err); err != nil {
		return
	}
	types, err := r.ColumnTypes()
	x.call("sql", "ColumnTypes", err)
	for _, t := range types {
		l, hasL := t.Length()
		n, hasN := t.Nullable()
		p, s, hasP := t.DecimalSize()
		x.note("sql", "%s %q %v %d %v %v %v %d %d %v", t.Name(), t.DatabaseTypeName(), t.ScanType(), l, hasL, n, hasN, p, s, hasP)
	}
	for more := true; more; more = r.NextResultSet() {
		for r.Next() {
			var v any
			x.call("sql", "Scan", r.Scan(&v))
			x.note("sql", "%v", v)
		}
	}
	x.note("sql", "%v, %v", r.Err(), r.Close())
}

// everything calls what a service can call.
func (x *exchange) everything(f *fake, driverName string) {
	x.database(f, driverName, func(ctx context.Context, db database) {
		x.call("sql", "Ping", db.PingContext(ctx))
		for _, args := range [][]any{{1, "v"}, {custom{"c"}}, {"drop", "keep"}, {sql.Named("n", 1)}, {make(chan int)}} {
			x.exec(ctx, db, args...)
			x.rows(db.QueryContext(ctx, "SELECT a", args...))
			s, err := db.PrepareContext(ctx, "UPDATE t")
			if x.call("sql", "Prepare", err); err != nil {
				continue
			}
			r, err := s.ExecContext(ctx, args...)
			x.call("sql", "Stmt.Exec", err)
			x.result(r)
			x.rows(s.QueryContext(ctx, args...))
			x.call("sql", "Stmt.Close", s.Close())
		}
		for _, o := range []*sql.TxOptions{nil, {ReadOnly: true}, {Isolation: sql.LevelSerializable}} {
			for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
				tx, err := db.BeginTx(ctx, o)
				if x.call("sql", "BeginTx", err); err != nil {
					continue
				}
				_, err = tx.ExecContext(ctx, "DELETE FROM t")
				x.call("sql", "Tx.Exec", err)
				x.call("sql", "end", end(tx))
			}
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := db.ExecContext(ended, "INSERT INTO t")
		x.call("sql", "ExecContext with an ended context", err)
	})
}

// reached names, for each interface of database/sql/driver, a call that reaches the driver
// through it, or says why there is none.
var reached = map[string]string{
	"Driver": "Open", "DriverContext": "Connector.Close", "Connector": "Open", "Conn": "Conn.Close", "Tx": "Commit", "Result": "LastInsertId",
	"Stmt": "Stmt.Close", "Rows": "Rows.Close", "Pinger": "Ping", "Execer": "Execer.Exec", "ExecerContext": "ExecerContext.ExecContext",
	"Queryer": "Queryer.Query", "QueryerContext": "QueryerContext.QueryContext", "ConnPrepareContext": "PrepareContext", "ConnBeginTx": "BeginTx",
	"SessionResetter": "ResetSession", "Validator": "IsValid", "StmtExecContext": "StmtExecContext.ExecContext",
	"StmtQueryContext": "StmtQueryContext.QueryContext", "NamedValueChecker": "Conn.CheckNamedValue", "ColumnConverter": "ColumnConverter",
	"RowsNextResultSet": "NextResultSet", "RowsColumnTypeScanType": "int32", "RowsColumnTypeDatabaseTypeName": "INT4",
	"RowsColumnTypeLength": "8 true", "RowsColumnTypeNullable": "true true", "RowsColumnTypePrecisionScale": "19 2 true",
	"ValueConverter": "column c",
	"Valuer":         "reason: of a service's own values; database/sql calls it before the driver",
}

// TestEveryInterfaceOfADriver loads database/sql/driver and demands that each of its
// interfaces is passed on or has a reason.
func TestEveryInterfaceOfADriver(t *testing.T) {
	pkg, err := importer.ForCompiler(token.NewFileSet(), "source", nil).Import("database/sql/driver")
	if err != nil {
		t.Fatal(err)
	}
	x := newExchange(t, true)
	for _, r := range sqlRows() {
		r.cells[onSQL](x)
	}
	transcript := x.transcript()
	for _, name := range pkg.Scope().Names() {
		declared, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok || !declared.Exported() || !types.IsInterface(declared.Type()) || name == "Value" { // driver.Value is any
			continue
		}
		call, known := reached[name]
		switch {
		case !known:
			t.Errorf("driver.%s is new: pass it on, or say why not", name)
		case !strings.HasPrefix(call, "reason: ") && !strings.Contains(transcript, call):
			t.Errorf("no call of driver.%s reached the driver (%s)", name, call)
		}
	}
}
