package uptest

import (
	"database/sql"
	"net/url"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"github.com/tenhop/tenhop/services"
)

// Databases creates an empty database for each service at a PostgreSQL server, which it drops
// first, and returns the server's URL without a database, for `tenhop up --postgres`.
func Databases(t testing.TB, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("the URL of PostgreSQL is invalid")
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, name := range services.Names() {
		for _, statement := range []string{`DROP DATABASE IF EXISTS "` + name + `" WITH (FORCE)`, `CREATE DATABASE "` + name + `"`} {
			if _, err := admin.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	u.Path = ""
	return u.String()
}
