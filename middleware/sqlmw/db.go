// Package sqlmw measures database/sql: a span and RED metrics per driver call,
// and both the driver's time and the wait for a connection of the pool count
// as the hop's waiting, not as its self time. Of rows that is the time in which
// the driver fetches them: what a service does between two of them is its own.
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
// The statement's text is on no span and in no label: it may hold values. The
// operation is its first keyword, from a closed set.
package sqlmw

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/XSAM/otelsql"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/hop"
)

type config struct {
	core   *adapter.Core
	system string
}

// Option sets one thing of a database.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("sqlmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// WithSystem sets db.system.name, such as "postgresql"; the driver's name
// otherwise.
func WithSystem(name string) Option { return func(c *config) { c.system = name } }

// DB is a *sql.DB whose calls with a context also measure the wait for a
// connection. The driver never sees that wait, so it has to start here. What a
// *sql.Stmt waits for when it needs a connection of its own is not measured;
// statements of a transaction or of a *sql.Conn have theirs already.
type DB struct {
	*sql.DB
	dependency string
}

// Open opens a database through the named driver. dependency is its logical
// name in metrics and findings, such as "orders-db".
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
	db, err := open(driverName, dsn, dep,
		otelsql.WithTracerProvider(&provider{client: client}),
		otelsql.WithSpanNameFormatter(func(_ context.Context, m otelsql.Method, query string) string { return operation(m, query) }),
		otelsql.WithSpanOptions(otelsql.SpanOptions{OmitRows: true, OmitConnResetSession: true, Ping: true, DisableErrSkip: true, DisableQuery: true}),
		otelsql.WithDisableSkipErrMeasurement(true),
	)
	if err != nil {
		return nil, fmt.Errorf("sqlmw: open %s: %w", dependency, err)
	}
	return &DB{DB: db, dependency: dependency}, nil
}

// acquisition is the wait for a connection, from the call to the driver's
// first sign of life.
type acquisition struct {
	wait adapter.Call
	done atomic.Bool
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
	a := &acquisition{wait: h.StartCall(adapter.Dependency{Name: db.dependency, Kind: adapter.KindPool})}
	return context.WithValue(ctx, acquisitionKey{}, a), a
}

// QueryContext is sql.DB's, with the wait for a connection measured.
func (db *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.QueryContext(ctx, query, args...)
}

// QueryRowContext is sql.DB's, with the wait for a connection measured.
func (db *DB) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.QueryRowContext(ctx, query, args...)
}

// ExecContext is sql.DB's, with the wait for a connection measured.
func (db *DB) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.ExecContext(ctx, query, args...)
}

// PrepareContext is sql.DB's, with the wait for a connection measured.
func (db *DB) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.PrepareContext(ctx, query)
}

// BeginTx is sql.DB's, with the wait for a connection measured.
func (db *DB) BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.BeginTx(ctx, opts)
}

// Conn is sql.DB's, with the wait for a connection measured.
func (db *DB) Conn(ctx context.Context) (*sql.Conn, error) {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.Conn(ctx)
}

// PingContext is sql.DB's, with the wait for a connection measured.
func (db *DB) PingContext(ctx context.Context) error {
	ctx, a := db.acquire(ctx)
	defer a.end()
	return db.DB.PingContext(ctx)
}
