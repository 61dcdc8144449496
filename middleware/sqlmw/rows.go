package sqlmw

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"github.com/XSAM/otelsql"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// open is sql.Open with otelsql around the driver, and with the wait for rows
// measured around otelsql.
func open(driverName, dsn string, dep adapter.Dependency, opts ...otelsql.Option) (*sql.DB, error) {
	db, err := sql.Open(driverName, dsn) // the way to a registered driver
	if err != nil {
		return nil, err
	}
	d := otelsql.WrapDriver(db.Driver(), opts...)
	if err := db.Close(); err != nil {
		return nil, err
	}
	var inner driver.Connector = dsnConnector{d, dsn}
	if dc, ok := d.(driver.DriverContext); ok {
		if inner, err = dc.OpenConnector(dsn); err != nil {
			return nil, err
		}
	}
	return sql.OpenDB(connector{inner, dep}), nil
}

// dsnConnector connects through a driver that makes no connectors.
type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

// Connect opens a connection; such a driver takes no context.
func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }

// Driver returns the driver.
func (c dsnConnector) Driver() driver.Driver { return c.driver }

type connector struct {
	driver.Connector
	dep adapter.Dependency
}

// Connect returns a connection whose rows are measured.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if all, ok := inner.(otelConn); ok {
		return &conn{all, c.dep}, nil
	}
	return inner, nil
}

// otelConn is what every connection of otelsql has: whatever the driver's own
// lacks, otelsql falls back from as database/sql would.
type otelConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
	Raw() driver.Conn
}

var (
	_ driver.Connector = connector{}
	_ driver.Connector = dsnConnector{}
	_ otelConn         = (*conn)(nil)
	_ otelStmt         = (*stmt)(nil)
	_ otelRows         = (*rows)(nil)
)

type conn struct {
	otelConn
	dep adapter.Dependency
}

// QueryContext returns measured rows.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	r, err := c.otelConn.QueryContext(ctx, query, args)
	return measured(ctx, r, err, c.dep)
}

// PrepareContext returns a statement whose rows are measured.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.otelConn.PrepareContext(ctx, query)
	if all, ok := s.(otelStmt); err == nil && ok {
		return &stmt{all, c.dep}, nil
	}
	return s, err
}

// otelStmt is what every statement of otelsql has.
type otelStmt interface {
	driver.Stmt
	driver.NamedValueChecker
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	otelStmt
	dep adapter.Dependency
}

// QueryContext returns measured rows.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	r, err := s.otelStmt.QueryContext(ctx, args)
	return measured(ctx, r, err, s.dep)
}

// otelRows is what all rows of otelsql have.
type otelRows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
}

// rows counts what the driver does between rows as the hop's wait: what the
// service does with a row is its own.
type rows struct {
	otelRows
	hop *adapter.Hop
	dep adapter.Dependency
}

func measured(ctx context.Context, r driver.Rows, err error, dep adapter.Dependency) (driver.Rows, error) {
	h := adapter.FromContext(ctx)
	if err != nil || h == nil {
		return r, err
	}
	// Rows with NextRow are driver.RowsColumnScanner of a later Go, which a
	// wrapper would hide.
	if _, later := r.(interface{ NextRow() error }); later {
		return r, nil
	}
	if all, ok := r.(otelRows); ok {
		return &rows{all, h, dep}, nil
	}
	return r, nil
}

// Next fetches a row.
func (r *rows) Next(dest []driver.Value) error {
	call := r.hop.StartCall(r.dep)
	err := r.otelRows.Next(dest)
	call.End()
	return err
}

// NextResultSet goes on to another result.
func (r *rows) NextResultSet() error {
	call := r.hop.StartCall(r.dep)
	err := r.otelRows.NextResultSet()
	call.End()
	return err
}

// Close reads, or has the database throw away, what is left.
func (r *rows) Close() error {
	call := r.hop.StartCall(r.dep)
	err := r.otelRows.Close()
	call.End()
	return err
}
