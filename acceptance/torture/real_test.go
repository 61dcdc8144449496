//go:build linux

package torture

import (
	"os"
	"testing"

	"github.com/tenhop/tenhop/internal/uptest"
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
		server := os.Getenv("TENHOP_TEST_POSTGRES")
		if server == "" {
			t.Skip("SKIPPED: TENHOP_TEST_POSTGRES is not set; use deploy/real/run")
		}
		s.postgres = uptest.Databases(t, server)
		cfg.Postgres = s.postgres
	}
}
