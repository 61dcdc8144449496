//go:build linux

package torture

import (
	"database/sql"
	"net/url"
	"os"
	"testing"

	"github.com/tenhop/tenhop/supervisor"
)

// real replaces embedded parts by the systems that TENHOP_TORTURE_ON names, which
// deploy/real/run starts: postgres, kafka, or both.
func (s *shop) real(t *testing.T, cfg *supervisor.Config) {
	t.Helper()
	on := os.Getenv("TENHOP_TORTURE_ON")
	switch on {
	case "", "postgres", "kafka", "postgres,kafka":
	default:
		t.Fatalf("TENHOP_TORTURE_ON=%q must be postgres, kafka or postgres,kafka", on)
	}
	if on == "kafka" || on == "postgres,kafka" {
		if s.kafka = os.Getenv("TENHOP_TEST_KAFKA"); s.kafka == "" {
			t.Skip("SKIPPED: TENHOP_TEST_KAFKA is not set; use deploy/real/run")
		}
		cfg.Kafka = s.kafka
	}
	if on == "postgres" || on == "postgres,kafka" {
		if s.postgres = os.Getenv("TENHOP_TEST_POSTGRES"); s.postgres == "" {
			t.Skip("SKIPPED: TENHOP_TEST_POSTGRES is not set; use deploy/real/run")
		}
		cfg.Postgres = s.databases(t)
	}
}

// databases creates a database for each service and returns the server's URL without
// a database.
func (s *shop) databases(t *testing.T) string {
	t.Helper()
	admin, err := sql.Open("pgx", s.postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	for _, name := range services {
		for _, statement := range []string{`DROP DATABASE IF EXISTS "` + name + `" WITH (FORCE)`, `CREATE DATABASE "` + name + `"`} {
			if _, err := admin.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	u, err := url.Parse(s.postgres)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = ""
	s.postgres = u.String()
	return s.postgres
}
