package sqlmw_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// closingDriver has a connector with resources of its own, such as a dialer.
type closingDriver struct{ closed *atomic.Int32 }

var errClosing = errors.New("closing")

func (d closingDriver) Open(string) (driver.Conn, error) { return slowConn{}, nil }
func (d closingDriver) OpenConnector(string) (driver.Connector, error) {
	return closingConnector{d}, nil
}

type closingConnector struct{ closingDriver }

func (c closingConnector) Connect(context.Context) (driver.Conn, error) { return slowConn{}, nil }
func (c closingConnector) Driver() driver.Driver                        { return c.closingDriver }
func (c closingConnector) Close() error {
	if c.closed.Add(1) > 1 { // the first is that of Open
		return errClosing
	}
	return nil
}

// Closing the database closes the driver's connector, as without the adapter.
func TestCloseClosesTheConnector(t *testing.T) {
	var closed atomic.Int32
	sql.Register("closing", closingDriver{&closed})
	db, err := sqlmw.Open("closing", "", "orders-db", sqlmw.WithTelemetry(mwtest.New(t).Telemetry))
	if err != nil {
		t.Fatal(err)
	}
	before := closed.Load()
	if err := db.Close(); !errors.Is(err, errClosing) {
		t.Errorf("Close returned %v", err)
	}
	if n := closed.Load() - before; n != 1 {
		t.Errorf("the connector was closed %d times", n)
	}
}
