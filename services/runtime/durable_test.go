package runtime

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
)

// Every connection synchronizes each commit to disk, whichever of them a statement uses.
func TestCommitsAreDurable(t *testing.T) {
	driver, dsn, err := dataSource("sqlite://" + filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const full = "2"
	for range 4 {
		conn, err := db.Conn(context.Background()) // kept, so that the next one is another
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": full} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("PRAGMA %s is %q, %v; want %s", pragma, got, err, want)
			}
		}
	}
}
