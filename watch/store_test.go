package watch_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/watch"
)

// block puts a file in place of a directory, in which root cannot write either, until the
// function that it returns is called.
func block(t *testing.T, dir string) (restore func()) {
	t.Helper()
	aside := dir + ".aside"
	if err := os.Rename(dir, aside); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(aside, dir); err != nil {
			t.Fatal(err)
		}
	}
}

// stored returns the number of incidents that a directory holds.
func stored(t *testing.T, dir string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestUnstoredAlert answers 503 to an alert, and to the same alert when it is repeated, until its
// incident is stored.
func TestUnstoredAlert(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "watch")
	w, err := watch.New(watch.Config{Dir: dir, Diagnose: (&oracle{}).diagnose})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	post := func() int {
		const body = `{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-01-02T03:04:05Z"}]}`
		out := httptest.NewRecorder()
		w.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "", nil).ServeHTTP(out, httptest.NewRequest(http.MethodPost, "http://127.0.0.1/alerts", strings.NewReader(body)))
		return out.Code
	}
	restore := block(t, dir)
	for n := range 2 {
		if code := post(); code != http.StatusServiceUnavailable {
			t.Errorf("time %d: answered %d before the incident is stored", n+1, code)
		}
	}
	restore()
	if code := post(); code != http.StatusOK || stored(t, dir) != 1 {
		t.Errorf("answered %d, %d incidents are stored", code, stored(t, dir))
	}
}

// TestStoreAgain stores what could not be stored, and removes what could not be removed, without
// another alert.
func TestStoreAgain(t *testing.T) {
	for _, c := range []struct {
		why    string
		fires  time.Duration // before the directory cannot be written
		want   int           // incidents stored afterwards
		closed bool
	}{
		{"the alert flapped, and its incident is removed", time.Second, 0, false},
		{"the incident is closed", 10 * time.Second, 1, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := watch.Config{Dir: filepath.Join(t.TempDir(), "watch"), Diagnose: (&oracle{sureAt: 1, hop: "a"}).diagnose, Timing: watch.Timing{Quiet: 5 * time.Second}}
			w, stop := run(t, cfg)
			send(t, w, "firing", "a")
			time.Sleep(c.fires)
			send(t, w, "resolved", "a")
			synctest.Wait()
			restore := block(t, cfg.Dir)
			// Not at a tick, at which the directory must be there or not.
			time.Sleep(10*time.Second + 500*time.Millisecond)
			restore()
			time.Sleep(2 * time.Second)
			stop()
			all, err := watch.Read(cfg.Dir, nil)
			if err != nil || len(all) != c.want {
				t.Fatalf("%s: %d incidents are stored, want %d: %v", c.why, len(all), c.want, err)
			}
			if c.closed && all[0].State != watch.Closed {
				t.Errorf("%s: it is stored as %s", c.why, all[0].State)
			}
		})
	}
}
