package torture

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/services/runtime"
)

// killed returns a copy of a store as a killed process leaves it: with rows committed
// rows, and a checkpoint after the first half of them.
func killed(t *testing.T, rows int) string {
	t.Helper()
	dir := t.TempDir()
	e := &runtime.Env{Name: "payment", Telemetry: mwtest.New(t).Telemetry, Config: runtime.Config{Store: "sqlite://" + filepath.Join(dir, "payment.db")}}
	defer e.Close()
	store, err := e.OpenStore(t.Context(), os.DirFS("../../services/payment"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if i == rows/2 {
			if _, err := store.Exec(t.Context(), "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := store.Exec(t.Context(), "INSERT INTO charges (id, idempotency_key, user_id, method, amount, state, created_unix_ms) VALUES (?, ?, 'ada', 'card', 1, 'charged', 1)", fmt.Sprintf("c-%03d", i), fmt.Sprintf("o-%03d", i)); err != nil {
			t.Fatal(err)
		}
	}
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, "payment.db")
}

// rows returns the number of charges, after a check of the whole file.
func rows(t *testing.T, path string) int {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var check string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
		t.Fatalf("integrity: %s, %v", check, err)
	}
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM charges").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A power cut takes no committed row, whatever it leaves of what was not synchronized.
func TestTornStoresKeepCommittedRows(t *testing.T) {
	for seed := range uint64(20) {
		path := killed(t, 40)
		for range 2 { // again, before anybody has opened it
			if _, err := TearSQLite(path, rand.New(rand.NewPCG(seed, 1))); err != nil {
				t.Fatal(err)
			}
		}
		if got := rows(t, path); got != 40 {
			t.Errorf("seed %d: %d of 40 rows", seed, got)
		}
	}
}

// The log is read as SQLite reads it: its end is the last commit, so a log that ends
// before it has lost a row.
func TestCommitted(t *testing.T) {
	path := killed(t, 40)
	wal, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	end, pageSize, pages := committed(wal)
	if pageSize != 4096 || len(pages) == 0 || !slices.IsSorted(pages) || pages[0] == 0 {
		t.Errorf("pages of %d bytes: %v", pageSize, pages)
	}
	if err := os.WriteFile(path+"-wal", wal[:end-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path + "-shm"); err != nil {
		t.Fatal(err)
	}
	if got := rows(t, path); got != 39 {
		t.Errorf("%d rows, want 39 without the last commit", got)
	}
	for _, damaged := range [][]byte{nil, wal[:walHeader-1], append([]byte("not a log"), wal[9:]...)} {
		if end, _, _ := committed(damaged); end != 0 {
			t.Errorf("a log of %d bytes without a header ends at %d", len(damaged), end)
		}
	}
}
