// Package storetest runs a service's store tests on every database that the
// service supports: SQLite always, PostgreSQL when TENHOP_TEST_POSTGRES holds
// the URL of a server on which the user may create databases.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/services/runtime"
)

// Each runs test once per database, with an environment whose store is new and
// empty.
func Each(t *testing.T, service string, test func(t *testing.T, e *runtime.Env)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		test(t, env(t, service, "sqlite://"+filepath.Join(t.TempDir(), service+".db")))
	})
	t.Run("postgres", func(t *testing.T) {
		server := os.Getenv("TENHOP_TEST_POSTGRES")
		if server == "" {
			t.Skip("NOT TESTED ON POSTGRESQL: set TENHOP_TEST_POSTGRES=postgres://user@host/postgres to do so")
		}
		test(t, env(t, service, database(t, server)))
	})
}

func env(t *testing.T, service, store string) *runtime.Env {
	t.Helper()
	e := &runtime.Env{Name: service, Telemetry: mwtest.New(t).Telemetry, Config: runtime.Config{Store: store}}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// database creates a database for one test and drops it behind it.
func database(t *testing.T, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("TENHOP_TEST_POSTGRES: %v", err)
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	name := "tenhop_" + strings.ToLower(rand.Text()[:12])
	if _, err := admin.ExecContext(context.Background(), "CREATE DATABASE "+name); err != nil {
		admin.Close()
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		defer admin.Close()
		if _, err := admin.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	u.Path = "/" + name
	return u.String()
}
