package sqlmw

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/database"
)

// measure starts the statements of a database.
type measure struct {
	client *database.Client
	dep    adapter.Dependency
	chaos  *chaos.Injector
	closed func() // called when the database is closed; may be nil
}

// statement is a measured driver call.
type statement struct {
	database.Statement
	returned bool
	refused  error // of a fault, in place of the driver's call
}

func (m *measure) start(ctx context.Context, operation string) (context.Context, *statement) {
	if a, ok := ctx.Value(acquisitionKey{}).(*acquisition); ok {
		a.end()
	}
	ctx, s := m.client.Begin(ctx, operation)
	var refused error
	if !inner[operation] {
		// The driver reports what became of the context.
		if err := m.chaos.ApplyCall(ctx, m.dep.Name); err != nil && ctx.Err() == nil {
			refused = err
		}
	}
	return ctx, &statement{Statement: s, refused: refused}
}

// inner holds the calls that accompany statements, which a fault of the statements leaves
// alone.
var inner = map[string]bool{"BEGIN": true, "COMMIT": true, "ROLLBACK": true, "CONNECT": true, "PREPARE": true, "PING": true}

// end ends the call. A driver that returns driver.ErrSkip does not take it, and
// database/sql makes another.
func (s *statement) end(err error) {
	s.returned = true
	switch {
	case errors.Is(err, driver.ErrSkip):
		s.Discard()
	case errors.Is(err, driver.ErrBadConn): // database/sql tries again on another connection
		s.End("bad_connection")
	case err != nil:
		s.End(errorType(err))
	default:
		s.End("")
	}
}

// over ends a call that did not return: the driver panicked. It is deferred.
func (s *statement) over() {
	if !s.returned {
		s.End(adapter.ErrorPanic)
	}
}

// open is sql.Open with measured connections.
func open(driverName, dsn string, m *measure) (*sql.DB, error) {
	db, err := sql.Open(driverName, dsn) // to get the registered driver
	if err != nil {
		return nil, err
	}
	d := db.Driver()
	if err := db.Close(); err != nil {
		return nil, err
	}
	dc, ok := d.(driver.DriverContext)
	if !ok {
		return sql.OpenDB(connector{dsnConnector{d, dsn}, m}), nil
	}
	inner, err := dc.OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector{inner, m}), nil
}

var (
	_ driver.Connector = connector{}
	_ driver.Connector = dsnConnector{}
	_ io.Closer        = connector{}
)

// dsnConnector is the connector of a driver that has none of its own.
type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

// Connect opens a connection. Such a driver takes no context.
func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }

// Driver returns the driver.
func (c dsnConnector) Driver() driver.Driver { return c.driver }

// connector measures the connections of a driver's connector.
type connector struct {
	driver.Connector
	measure *measure
}

// Close is called by sql.DB.Close. It closes the driver's connector, if that can be closed.
func (c connector) Close() error {
	if c.measure.closed != nil {
		c.measure.closed()
	}
	if inner, ok := c.Connector.(io.Closer); ok {
		return inner.Close()
	}
	return nil
}

// Connect returns a measured connection.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if _, ok := c.Connector.(dsnConnector); ok {
		inner, err := c.Connector.Connect(ctx)
		return c.measure.wrap(inner), err
	}
	inCall, s := c.measure.start(ctx, "CONNECT")
	defer s.over()
	inner, err := c.Connector.Connect(inCall)
	s.end(err)
	return c.measure.wrap(inner), err
}
