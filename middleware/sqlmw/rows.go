package sqlmw

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"

	"github.com/XSAM/otelsql"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// open is sql.Open with otelsql around the driver, and with the wait for rows
// measured around otelsql.
func open(driverName, dsn string, dep adapter.Dependency, opts ...otelsql.Option) (*sql.DB, error) {
	db, err := sql.Open(driverName, dsn) // to get the registered driver
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

// dsnConnector is the connector of a driver that has none of its own.
type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

// Connect opens a connection. Such a driver takes no context.
func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }

// Driver returns the driver.
func (c dsnConnector) Driver() driver.Driver { return c.driver }

type connector struct {
	driver.Connector
	dep adapter.Dependency
}

// Close closes the driver's connector, if it is an io.Closer. sql.DB.Close calls it.
func (c connector) Close() error {
	if closer, ok := c.Connector.(io.Closer); ok {
		return closer.Close()
	}
	return nil
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

// otelConn lists the interfaces of all connections of otelsql. Where the driver's
// connection lacks one, otelsql falls back as database/sql does.
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
	_ io.Closer        = connector{}
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

// otelStmt lists the interfaces of all statements of otelsql.
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

// otelRows lists the interfaces of all rows of otelsql.
type otelRows interface {
	driver.Rows
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
}

// rows measures the time in which the driver fetches rows as a wait of the hop.
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
	// Rows with NextRow implement driver.RowsColumnScanner of a later Go version, which
	// a wrapper would hide.
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

// NextResultSet advances to the next result set.
func (r *rows) NextResultSet() error {
	call := r.hop.StartCall(r.dep)
	err := r.otelRows.NextResultSet()
	call.End()
	return err
}

// Close closes the rows, for which a driver may read the remaining ones.
func (r *rows) Close() error {
	call := r.hop.StartCall(r.dep)
	err := r.otelRows.Close()
	call.End()
	return err
}
