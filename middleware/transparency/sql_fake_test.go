package transparency

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
)

// fake is a driver whose calls are a track.
type fake struct {
	x    *exchange
	conn func(*fakeConn) driver.Conn
	stmt func(*fakeStmt) driver.Stmt
	rows func(*fakeRows) driver.Rows
	fail func(call string) error

	opened bool // calls are recorded
}

func (f *fake) called(call string, args ...any) error {
	if !f.opened {
		return nil
	}
	f.x.note("driver", "%s %v", call, args)
	if f.fail != nil {
		return f.fail(call)
	}
	return nil
}

func (f *fake) open() (driver.Conn, error) {
	if err := f.called("Open"); err != nil {
		return nil, err
	}
	return f.conn(&fakeConn{f}), nil
}

// fakes holds the fakes of data source names.
var fakes sync.Map

// fakeDriver opens by name, contextDriver by a connector that must be closed.
type (
	fakeDriver    struct{}
	contextDriver struct{ fakeDriver }
	fakeConnector struct {
		*fake
		driver driver.Driver
	}
)

func lookUp(dsn string) *fake {
	f, _ := fakes.Load(dsn)
	return f.(*fake)
}

func (fakeDriver) Open(dsn string) (driver.Conn, error) { return lookUp(dsn).open() }

func (d contextDriver) OpenConnector(dsn string) (driver.Connector, error) {
	f := lookUp(dsn)
	return fakeConnector{f, d}, f.called("OpenConnector")
}

func (c fakeConnector) Connect(context.Context) (driver.Conn, error) { return c.open() }
func (c fakeConnector) Driver() driver.Driver                        { return c.driver }
func (c fakeConnector) Close() error                                 { return c.called("Connector.Close") }

var registerFakes = sync.OnceFunc(func() {
	sql.Register("fake", fakeDriver{})
	sql.Register("fake-context", contextDriver{})
})

// custom is a value that only the driver can convert.
type custom struct{ s string }

func convert(v *driver.NamedValue) error {
	switch c := v.Value.(type) {
	case custom:
		v.Value = "converted " + c.s
		return nil
	case string:
		if c == "drop" {
			return driver.ErrRemoveArgument
		}
	}
	return driver.ErrSkip
}

type fakeConn struct{ *fake }

func (c *fakeConn) Prepare(q string) (driver.Stmt, error) {
	return c.stmt(&fakeStmt{c.fake}), c.called("Prepare", q)
}
func (c *fakeConn) Close() error              { return c.called("Conn.Close") }
func (c *fakeConn) Begin() (driver.Tx, error) { return fakeTx{c.fake}, c.called("Begin") }

type fakeTx struct{ *fake }

func (t fakeTx) Commit() error   { return t.called("Commit") }
func (t fakeTx) Rollback() error { return t.called("Rollback") }

type fakeResult struct{ *fake }

func (r fakeResult) LastInsertId() (int64, error) { return 7, r.called("LastInsertId") }
func (r fakeResult) RowsAffected() (int64, error) { return 1, r.called("RowsAffected") }

// The optional interfaces of a connection.
type (
	cE  struct{ c *fakeConn }
	cEC struct{ c *fakeConn }
	cQ  struct{ c *fakeConn }
	cQC struct{ c *fakeConn }
	cNV struct{ c *fakeConn }
	cPC struct{ c *fakeConn }
	cBT struct{ c *fakeConn }
	cP  struct{ c *fakeConn }
	cSR struct{ c *fakeConn }
	cV  struct{ c *fakeConn }
)

func (e cE) Exec(q string, args []driver.Value) (driver.Result, error) {
	return fakeResult{e.c.fake}, e.c.called("Execer.Exec", q, args)
}
func (e cEC) ExecContext(_ context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	return fakeResult{e.c.fake}, e.c.called("ExecerContext.ExecContext", q, args)
}
func (e cQ) Query(q string, args []driver.Value) (driver.Rows, error) {
	return e.c.rows(&fakeRows{fake: e.c.fake}), e.c.called("Queryer.Query", q, args)
}
func (e cQC) QueryContext(_ context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return e.c.rows(&fakeRows{fake: e.c.fake}), e.c.called("QueryerContext.QueryContext", q, args)
}
func (e cNV) CheckNamedValue(v *driver.NamedValue) error {
	_ = e.c.called("Conn.CheckNamedValue", v.Name, v.Ordinal, v.Value)
	return convert(v)
}
func (e cPC) PrepareContext(_ context.Context, q string) (driver.Stmt, error) {
	return e.c.stmt(&fakeStmt{e.c.fake}), e.c.called("PrepareContext", q)
}
func (e cBT) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	return fakeTx{e.c.fake}, e.c.called("BeginTx", o)
}
func (e cP) Ping(context.Context) error          { return e.c.called("Ping") }
func (e cSR) ResetSession(context.Context) error { return e.c.called("ResetSession") }
func (e cV) IsValid() bool                       { return e.c.called("IsValid") == nil }

type fakeStmt struct{ *fake }

func (s *fakeStmt) Close() error  { return s.called("Stmt.Close") }
func (s *fakeStmt) NumInput() int { return -1 }
func (s *fakeStmt) Exec(args []driver.Value) (driver.Result, error) {
	return fakeResult{s.fake}, s.called("Stmt.Exec", args)
}
func (s *fakeStmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.rows(&fakeRows{fake: s.fake}), s.called("Stmt.Query", args)
}

// The optional interfaces of a statement.
type (
	sEC struct{ s *fakeStmt }
	sQC struct{ s *fakeStmt }
	sNV struct{ s *fakeStmt }
	sCC struct{ s *fakeStmt }
)

func (e sEC) ExecContext(_ context.Context, args []driver.NamedValue) (driver.Result, error) {
	return fakeResult{e.s.fake}, e.s.called("StmtExecContext.ExecContext", args)
}
func (e sQC) QueryContext(_ context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return e.s.rows(&fakeRows{fake: e.s.fake}), e.s.called("StmtQueryContext.QueryContext", args)
}
func (e sNV) CheckNamedValue(v *driver.NamedValue) error {
	_ = e.s.called("Stmt.CheckNamedValue", v.Name, v.Ordinal, v.Value)
	return convert(v)
}
func (e sCC) ColumnConverter(i int) driver.ValueConverter {
	_ = e.s.called("ColumnConverter", i)
	return converter{}
}

type converter struct{}

func (converter) ConvertValue(v any) (driver.Value, error) {
	if c, ok := v.(custom); ok {
		return "column " + c.s, nil
	}
	if _, ok := v.(chan int); ok {
		return nil, errors.New("no channels")
	}
	return fmt.Sprint(v), nil
}

// fakeRows are two results of two rows, if there can be two.
type fakeRows struct {
	*fake
	row, result int
}

func (r *fakeRows) Columns() []string { return []string{"a"} }
func (r *fakeRows) Close() error      { return r.called("Rows.Close") }
func (r *fakeRows) Next(dest []driver.Value) error {
	if r.row++; r.row > 2 {
		return io.EOF
	}
	dest[0] = int64(r.row)
	return r.called("Next")
}

// The optional interfaces of rows.
type (
	rNR struct{ r *fakeRows }
	rST struct{ r *fakeRows }
	rDB struct{ r *fakeRows }
	rL  struct{ r *fakeRows }
	rN  struct{ r *fakeRows }
	rPS struct{ r *fakeRows }
)

func (e rNR) HasNextResultSet() bool {
	_ = e.r.called("HasNextResultSet")
	return e.r.result == 0
}
func (e rNR) NextResultSet() error {
	_ = e.r.called("NextResultSet")
	if e.r.result++; e.r.result > 1 {
		return io.EOF
	}
	e.r.row = 0
	return nil
}
func (e rST) ColumnTypeScanType(int) reflect.Type               { return reflect.TypeFor[int32]() }
func (e rDB) ColumnTypeDatabaseTypeName(int) string             { return "INT4" }
func (e rL) ColumnTypeLength(int) (int64, bool)                 { return 8, true }
func (e rN) ColumnTypeNullable(int) (bool, bool)                { return true, true }
func (e rPS) ColumnTypePrecisionScale(int) (int64, int64, bool) { return 19, 2, true }
