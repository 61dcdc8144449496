// Package sqlmw measures database/sql. Each driver call has a span and RED metrics.
// The driver's time and the wait for a pooled connection count as waits of the hop
// and not as self time. While rows are read, the driver's time is a wait, and the
// service's time between rows is self time.
//
// A complete program:
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		_ "modernc.org/sqlite"
//
//		"github.com/tenhop/tenhop/middleware/sqlmw"
//	)
//
//	func main() {
//		db, err := sqlmw.Open("sqlite", "file:orders.db", "orders-db")
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer db.Close()
//		var n int
//		if err := db.QueryRowContext(context.Background(), "SELECT 1").Scan(&n); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// No signal has the text of a statement, which may hold values. The operation is its
// first keyword, from a closed set.
package sqlmw

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct {
	core     *adapter.Core
	system   string
	chaos    *chaos.Injector
	location *database.Location
}

// Option configures a database.
type Option func(*config)

// WithTelemetry sets the telemetry. The default is hop.Default. It panics when t is
// nil.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("sqlmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithSystem sets db.system.name, such as "postgresql". The default is the driver's
// name.
func WithSystem(name string) Option { return func(c *config) { c.system = name } }

// WithLocation sets where the database is. The default is what the DSN says, see
// database.LocationOf; a registered configuration of a driver says nothing.
func WithLocation(l database.Location) Option { return func(c *config) { c.location = &l } }

// WithChaos sets the fault injector for statements. Faults of calls of the dependency
// apply. A nil Injector injects nothing.
func WithChaos(i *chaos.Injector) Option { return func(c *config) { c.chaos = i } }

// DB embeds a *sql.DB. Its methods with a context also measure the wait for a
// connection, which drivers cannot measure. Its connection pool is exported until it is
// closed. The wait of a *sql.Stmt for a
// connection is not measured. Statements of a transaction or of a *sql.Conn already
// have a connection.
type DB struct {
	*sql.DB
	dependency string
}

// Open opens a database through the named driver. dependency is its logical name in
// metrics, such as "orders-db".
func Open(driverName, dsn, dependency string, opts ...Option) (*DB, error) {
	if dependency == "" {
		return nil, errors.New(`sqlmw: the dependency needs a name, such as "orders-db"`)
	}
	c := config{system: driverName}
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("sqlmw: nil option")
		}
		o(&c)
	}
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	dep := adapter.Dependency{Name: dependency, Kind: adapter.KindDatabase}
	client, err := database.NewClient(c.core, c.system, dep)
	if err != nil {
		return nil, fmt.Errorf("sqlmw: %w", err)
	}
	if c.location == nil {
		l := database.LocationOf(dsn)
		c.location = &l
	}
	client.Locate(*c.location)
	m := &measure{client: client, dep: dep, chaos: c.chaos}
	db, err := open(driverName, dsn, m)
	if err != nil {
		return nil, fmt.Errorf("sqlmw: open %s: %w", dependency, err)
	}
	p, err := poolsOf(c.core)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	p.add(db, dependency)
	m.closed = func() { p.remove(db) }
	return &DB{DB: db, dependency: dependency}, nil
}

// acquisition is the wait for a connection, from the call to the first driver call, and the
// context in which the driver call finds it, in one allocation.
type acquisition struct {
	context.Context
	wait adapter.Call
	done atomic.Bool
}

// Value returns the acquisition for its key.
func (a *acquisition) Value(key any) any {
	if key == (acquisitionKey{}) {
		return a
	}
	return a.Context.Value(key)
}

func (a *acquisition) end() {
	if a != nil && a.done.CompareAndSwap(false, true) {
		a.wait.End()
	}
}

type acquisitionKey struct{}

func (db *DB) acquire(ctx context.Context) (context.Context, *acquisition) {
	h := adapter.FromContext(ctx)
	if h == nil {
		return ctx, nil
	}
	a := &acquisition{Context: ctx, wait: h.StartCall(adapter.Dependency{Name: db.dependency, Kind: adapter.KindPool})}
	return a, a
}

// QueryContext calls sql.DB's method and measures the wait for a connection.
func (db *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.QueryContext(ctx, query, args...)
}

// QueryRowContext calls sql.DB's method and measures the wait for a connection.
func (db *DB) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.QueryRowContext(ctx, query, args...)
}

// ExecContext calls sql.DB's method and measures the wait for a connection.
func (db *DB) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.ExecContext(ctx, query, args...)
}

// PrepareContext calls sql.DB's method and measures the wait for a connection.
func (db *DB) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.PrepareContext(ctx, query)
}

// BeginTx calls sql.DB's method and measures the wait for a connection.
func (db *DB) BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.BeginTx(ctx, opts)
}

// Conn calls sql.DB's method and measures the wait for a connection.
func (db *DB) Conn(ctx context.Context) (*Conn, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	c, err := db.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &Conn{c}, nil
}

// Conn embeds a *sql.Conn. Its Raw gives the driver's own connection.
type Conn struct{ *sql.Conn }

// Raw calls f with the driver's own connection, as sql.Conn's method does for a
// database that is not measured. What f does with it is not measured. Through the
// embedded *sql.Conn, f gets a connection whose method Raw returns the driver's.
func (c *Conn) Raw(f func(driverConn any) error) error {
	return c.Conn.Raw(func(dc any) error {
		if measured, ok := dc.(interface{ Raw() driver.Conn }); ok {
			dc = measured.Raw()
		}
		return f(dc)
	})
}

// PingContext calls sql.DB's method and measures the wait for a connection.
func (db *DB) PingContext(ctx context.Context) error {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.PingContext(ctx)
}
