package watch_test

import (
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/watch"
)

// TestArchive reads what a watcher stores, from the files and over HTTP, and leaves out a
// broken file.
func TestArchive(t *testing.T) {
	_, url := serve(t, "")
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, stop := start(t, dir, &oracle{sureAt: 1, hop: "a"}, receiver(t, url, watch.Secrets{}))
		send(t, w, "firing", "a")
		time.Sleep(10 * time.Second)
		stop()
	})
	if err := os.WriteFile(filepath.Join(dir, "broken.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	archive := watch.NewArchive(dir)
	for range 2 { // the second time from memory
		all, err := archive.Incidents(t.Context())
		if err != nil || len(all) != 1 || all[0].Named == nil || all[0].Result.Findings[0].Hop != "a" {
			t.Fatalf("%d incidents: %v", len(all), err)
		}
	}
	w, err := watch.New(watch.Config{Dir: dir, Diagnose: (&oracle{}).diagnose})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	srv := httptest.NewServer(w.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "secret", nil))
	defer srv.Close()
	for token, want := range map[string]int{"secret": 1, "wrong": 0} {
		remote, err := watch.NewRemote(srv.URL, token)
		if err != nil {
			t.Fatal(err)
		}
		all, err := remote.Incidents(t.Context())
		if len(all) != want || (err == nil) != (want > 0) {
			t.Errorf("with %s: %d incidents, %v", token, len(all), err)
		}
	}
	if none, err := watch.NewArchive(filepath.Join(dir, "nowhere")).Incidents(t.Context()); err != nil || len(none) != 0 {
		t.Errorf("of no directory: %v, %v", none, err)
	}
}
