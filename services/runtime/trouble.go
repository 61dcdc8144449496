package runtime

import (
	"context"
	"database/sql"
	"errors"
)

// writeLock takes the lock that a store's writers need, on a connection of its own.
func writeLock(ctx context.Context, driver, dsn string) (release func(), err error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(ctx, nil) // takes the lock in SQLite, because of _txlock
	if err == nil && driver == "pgx" {
		err = lockTables(ctx, tx)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return func() {
		_ = tx.Rollback()
		_ = db.Close()
	}, nil
}

// lockTables keeps writers from all tables of a PostgreSQL schema.
func lockTables(ctx context.Context, tx *sql.Tx) error {
	var tables sql.NullString
	err := tx.QueryRowContext(ctx, "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = current_schema()").Scan(&tables)
	if err != nil || !tables.Valid {
		return err
	}
	_, err = tx.ExecContext(ctx, "LOCK TABLE "+tables.String+" IN EXCLUSIVE MODE")
	return err
}

// busyWork makes a store work, as it does without an index, on connections of its own.
type busyWork struct {
	*sql.DB
	query string
}

// worker opens no connection before it is used.
func worker(driver, dsn string) (busyWork, error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return busyWork{}, err
	}
	db.SetMaxOpenConns(4) // as many statements as the service has
	db.SetMaxIdleConns(1)
	// A join of two sets of numbers without an index, which takes a few milliseconds.
	query := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90) " +
		"SELECT COUNT(*) FROM n AS a, n AS b WHERE a.i * 31 + b.i > 1000"
	if driver == "pgx" {
		query = "SELECT COUNT(*) FROM generate_series(1, 150) AS a(i), generate_series(1, 150) AS b(i) WHERE a.i * 31 + b.i > 1000"
	}
	return busyWork{db, query}, nil
}

func (w busyWork) busy(ctx context.Context) error {
	var n int
	return w.QueryRowContext(ctx, w.query).Scan(&n)
}
