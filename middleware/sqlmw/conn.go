package sqlmw

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/tenhop/tenhop/middleware/database"
)

// conn measures a connection. What the driver's connection lacks is done as database/sql
// does it. ExecContext and QueryContext are in types of their own: with them database/sql
// converts the arguments before it prepares a statement, which may convert them itself.
type conn struct {
	driver.Conn
	measure *measure
}

type (
	execConn      struct{ *conn }
	queryConn     struct{ *conn }
	execQueryConn struct{ *conn }
)

// anyConn lists the interfaces of all connections.
type anyConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	Raw() driver.Conn
}

var (
	_ anyConn               = (*conn)(nil)
	_ driver.ExecerContext  = execConn{}
	_ driver.QueryerContext = queryConn{}
	_ driver.ExecerContext  = execQueryConn{}
	_ driver.QueryerContext = execQueryConn{}
)

// wrap returns a measured connection. It returns nil for nil.
func (m *measure) wrap(inner driver.Conn) driver.Conn {
	if inner == nil {
		return nil
	}
	c := &conn{inner, m}
	_, exec := inner.(driver.ExecerContext)
	if !exec {
		_, exec = inner.(driver.Execer) //nolint:staticcheck // database/sql still calls it
	}
	_, query := inner.(driver.QueryerContext)
	if !query {
		_, query = inner.(driver.Queryer) //nolint:staticcheck // database/sql still calls it
	}
	switch {
	case exec && query:
		return execQueryConn{c}
	case exec:
		return execConn{c}
	case query:
		return queryConn{c}
	}
	return c
}

// Raw returns the driver's connection.
func (c *conn) Raw() driver.Conn { return c.Conn }

func (c execConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.exec(ctx, query, args)
}

func (c queryConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(ctx, query, args)
}

func (c execQueryConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.exec(ctx, query, args)
}

func (c execQueryConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(ctx, query, args)
}

func (c *conn) exec(ctx context.Context, query string, args []driver.NamedValue) (r driver.Result, err error) {
	inner, ok := c.Conn.(driver.ExecerContext)
	var values []driver.Value
	if !ok {
		if values, err = unnamed(ctx, args); err != nil {
			return nil, err
		}
	}
	ctx, s := c.measure.start(ctx, database.Operation(query))
	defer s.over()
	if err = s.refused; err != nil {
		s.end(err)
		return nil, err
	}
	if ok {
		r, err = inner.ExecContext(ctx, query, args)
	} else {
		r, err = c.Conn.(driver.Execer).Exec(query, values) //nolint:staticcheck // database/sql calls it too
	}
	s.end(err)
	return r, err
}

func (c *conn) query(ctx context.Context, query string, args []driver.NamedValue) (r driver.Rows, err error) {
	inner, ok := c.Conn.(driver.QueryerContext)
	var values []driver.Value
	if !ok {
		if values, err = unnamed(ctx, args); err != nil {
			return nil, err
		}
	}
	inCall, s := c.measure.start(ctx, database.Operation(query))
	defer s.over()
	if err = s.refused; err != nil {
		s.end(err)
		return nil, err
	}
	if ok {
		r, err = inner.QueryContext(inCall, query, args)
	} else {
		r, err = c.Conn.(driver.Queryer).Query(query, values) //nolint:staticcheck // database/sql calls it too
	}
	s.end(err)
	return measured(ctx, r, err, c.measure.dep)
}

// PrepareContext returns a measured statement.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	inCall, s := c.measure.start(ctx, "PREPARE") // the statement is counted when it is executed
	defer s.over()
	inner, err := c.prepare(inCall, query)
	s.end(err)
	if err != nil {
		return inner, err
	}
	own := &stmt{inner, c, query}
	if converter, ok := inner.(driver.ColumnConverter); ok { //nolint:staticcheck // database/sql calls it too
		return convertingStmt{own, converter}, nil
	}
	return own, nil
}

func (c *conn) prepare(ctx context.Context, query string) (driver.Stmt, error) {
	if inner, ok := c.Conn.(driver.ConnPrepareContext); ok {
		return inner.PrepareContext(ctx, query)
	}
	s, err := c.Prepare(query)
	if err == nil && ctx.Err() != nil {
		_ = s.Close()
		return nil, ctx.Err()
	}
	return s, err
}

// BeginTx returns a measured transaction.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	inCall, s := c.measure.start(ctx, "BEGIN")
	defer s.over()
	inner, err := c.begin(inCall, opts)
	s.end(err)
	if err != nil {
		return inner, err
	}
	return &tx{inner, ctx, c.measure}, nil
}

func (c *conn) begin(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if inner, ok := c.Conn.(driver.ConnBeginTx); ok {
		return inner.BeginTx(ctx, opts)
	}
	// The errors are those of database/sql.
	if opts.Isolation != driver.IsolationLevel(sql.LevelDefault) {
		return nil, errors.New("sql: driver does not support non-default isolation level")
	}
	if opts.ReadOnly {
		return nil, errors.New("sql: driver does not support read-only transactions")
	}
	t, err := c.Begin()
	if err == nil && ctx.Err() != nil {
		_ = t.Rollback()
		return nil, ctx.Err()
	}
	return t, err
}

// Ping pings the database if the driver can.
func (c *conn) Ping(ctx context.Context) error {
	inner, ok := c.Conn.(driver.Pinger)
	if !ok {
		return nil
	}
	ctx, s := c.measure.start(ctx, "PING")
	defer s.over()
	err := inner.Ping(ctx)
	s.end(err)
	return err
}

// ResetSession is called before a connection is used again.
func (c *conn) ResetSession(ctx context.Context) error {
	if inner, ok := c.Conn.(driver.SessionResetter); ok {
		return inner.ResetSession(ctx)
	}
	return nil
}

// IsValid is called before a connection returns to the pool.
func (c *conn) IsValid() bool {
	if inner, ok := c.Conn.(driver.Validator); ok {
		return inner.IsValid()
	}
	return true
}

// CheckNamedValue leaves the value to database/sql when the driver does.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if inner, ok := c.Conn.(driver.NamedValueChecker); ok {
		return inner.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// tx measures the end of a transaction.
type tx struct {
	driver.Tx
	ctx     context.Context // of BeginTx
	measure *measure
}

func (t *tx) Commit() error {
	_, s := t.measure.start(t.ctx, "COMMIT")
	defer s.over()
	err := t.Tx.Commit()
	s.end(err)
	return err
}

func (t *tx) Rollback() error {
	_, s := t.measure.start(t.ctx, "ROLLBACK")
	defer s.over()
	err := t.Tx.Rollback()
	s.end(err)
	return err
}

// unnamed returns the arguments of a driver without contexts, as database/sql does.
func unnamed(ctx context.Context, args []driver.NamedValue) ([]driver.Value, error) {
	values := make([]driver.Value, len(args))
	for i, a := range args {
		if a.Name != "" {
			return nil, errors.New("sql: driver does not support the use of Named Parameters")
		}
		values[i] = a.Value
	}
	return values, ctx.Err()
}
