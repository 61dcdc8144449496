package runtime

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver for sqlite://

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/database"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// Store is the database of a service, SQLite or PostgreSQL. Statements have ? as
// placeholders, which are rewritten to $1 for PostgreSQL.
type Store struct {
	db       *sqlmw.DB
	postgres bool
}

// OpenStore opens the configured store and applies the SQL migrations (goose) in
// the directory migrations.
func (e *Env) OpenStore(ctx context.Context, migrations fs.FS) (*Store, error) {
	driver, dsn, err := dataSource(e.Store)
	if err != nil {
		return nil, err
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	s := &Store{postgres: driver == "pgx"}
	name, connect := e.Name+"-db", dsn // without the link, for what no telemetry reports
	system, dialect, at := "sqlite", goose.DialectSQLite3, database.Location{}
	if s.postgres {
		system, dialect = "postgresql", goose.DialectPostgres
		cfg, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, fmt.Errorf("TENHOP_STORE: %w", err)
		}
		cfg.DialFunc = e.links.Dialer(name, cfg.DialFunc)
		connect, at = stdlib.RegisterConnConfig(cfg), database.LocationOf(dsn)
	} else {
		e.embedded = []string{name}
	}
	db, err := e.openDB(driver, connect, name, system, at)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	s.db = db
	p, err := goose.NewProvider(dialect, db.DB, dir, goose.WithVerbose(false))
	if err == nil {
		_, err = p.Up(ctx)
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("migrate %s's store: %w", e.Name, err)
	}
	e.OnClose(db.Close)
	e.AddCheck("store", db.PingContext)
	work, err := worker(driver, dsn)
	if err != nil {
		return nil, err
	}
	e.OnClose(work.Close)
	e.Chaos.SetStore(chaos.Store{Name: name, DB: db.DB, Work: work.busy,
		Lock: func(ctx context.Context) (func(), error) { return writeLock(ctx, driver, dsn) }})
	return s, nil
}

func dataSource(store string) (driver, dsn string, err error) {
	u, err := url.Parse(store)
	if err != nil {
		return "", "", fmt.Errorf("TENHOP_STORE is not a URL: %w", err)
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		return "pgx", store, nil
	case "sqlite":
		// A committed transaction survives a power cut: in WAL mode only FULL synchronizes
		// the log with each commit. An acknowledged order is in several stores, and all of
		// them must keep it.
		q := url.Values{"_txlock": {"immediate"}, "_pragma": {
			"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-1024)",
		}}
		return "sqlite", "file:" + u.EscapedPath() + "?" + q.Encode(), nil
	}
	return "", "", fmt.Errorf("TENHOP_STORE=%q: use sqlite:///path/to/file.db or postgres://…", store)
}

// rebind numbers the placeholders for PostgreSQL. Statements must not contain
// question marks in literals.
func (s *Store) rebind(q string) string {
	if !s.postgres {
		return q
	}
	var b strings.Builder
	n := 0
	for _, r := range q {
		if r == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Exec runs a statement.
func (s *Store) Exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	return s.db.ExecContext(ctx, s.rebind(q), args...)
}

// Query runs a query.
func (s *Store) Query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	return s.db.QueryContext(ctx, s.rebind(q), args...)
}

// QueryRow runs a query for one row.
func (s *Store) QueryRow(ctx context.Context, q string, args ...any) *sql.Row {
	return s.db.QueryRowContext(ctx, s.rebind(q), args...)
}

// Tx is a transaction of a Store.
type Tx struct {
	tx *sql.Tx
	s  *Store
}

// Exec runs a statement in the transaction.
func (t Tx) Exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	return t.tx.ExecContext(ctx, t.s.rebind(q), args...)
}

// QueryRow runs a query for one row in the transaction.
func (t Tx) QueryRow(ctx context.Context, q string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(ctx, t.s.rebind(q), args...)
}

// Query runs a query in the transaction.
func (t Tx) Query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, t.s.rebind(q), args...)
}

// InTx runs f in a transaction that is committed when f returns nil.
func (s *Store) InTx(ctx context.Context, f func(Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after a commit
	if err := f(Tx{tx: tx, s: s}); err != nil {
		return err
	}
	return tx.Commit()
}

// Empty reports whether a table has no rows.
func (s *Store) Empty(ctx context.Context, table string) (bool, error) {
	var n int
	err := s.QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+table+" LIMIT 1) AS t").Scan(&n)
	return n == 0, err
}
