package sqlmw

import (
	"context"
	"database/sql/driver"

	"github.com/tenhop/tenhop/middleware/database"
)

// stmt measures the executions of a prepared statement.
type stmt struct {
	driver.Stmt
	conn *conn
	sql  string
}

// convertingStmt is a statement whose driver converts the arguments.
type convertingStmt struct {
	*stmt
	converter driver.ColumnConverter //nolint:staticcheck // database/sql calls it too
}

// ColumnConverter returns the driver's converter of an argument.
func (s convertingStmt) ColumnConverter(i int) driver.ValueConverter {
	return s.converter.ColumnConverter(i)
}

var (
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.StmtQueryContext  = (*stmt)(nil)
	_ driver.NamedValueChecker = (*stmt)(nil)
	_ driver.ColumnConverter   = convertingStmt{} //nolint:staticcheck // database/sql calls it too
)

// ExecContext executes the statement.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	ctx, call := s.conn.measure.start(ctx, database.Operation(s.sql))
	defer call.over()
	if call.refused != nil {
		call.end(call.refused)
		return nil, call.refused
	}
	r, err = s.execInner(ctx, args)
	call.end(err)
	return r, err
}

func (s *stmt) execInner(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if inner, ok := s.Stmt.(driver.StmtExecContext); ok {
		return inner.ExecContext(ctx, args)
	}
	values, err := unnamed(ctx, args)
	if err != nil {
		return nil, err
	}
	return s.Exec(values)
}

// QueryContext executes the statement and returns measured rows.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	inCall, call := s.conn.measure.start(ctx, database.Operation(s.sql))
	defer call.over()
	if call.refused != nil {
		call.end(call.refused)
		return nil, call.refused
	}
	r, err := s.queryInner(inCall, args)
	call.end(err)
	return measured(ctx, r, err, s.conn.measure.dep)
}

func (s *stmt) queryInner(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if inner, ok := s.Stmt.(driver.StmtQueryContext); ok {
		return inner.QueryContext(ctx, args)
	}
	values, err := unnamed(ctx, args)
	if err != nil {
		return nil, err
	}
	return s.Query(values)
}

// CheckNamedValue asks the statement, then the connection, as database/sql does.
func (s *stmt) CheckNamedValue(v *driver.NamedValue) error {
	if inner, ok := s.Stmt.(driver.NamedValueChecker); ok {
		return inner.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}
