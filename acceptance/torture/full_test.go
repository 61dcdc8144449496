//go:build linux

package torture

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A full disk has no room for what a power cut leaves, and keeps what was committed.
func TestTornOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m,mode=0700"); err != nil {
		t.Skipf("SKIPPED: a file system cannot be mounted here: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(killed(t, 40)))); err != nil {
		t.Fatal(err)
	}
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	full, stop, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() { // takes what becomes free as well
		defer close(done)
		block, first := make([]byte, 4096), sync.OnceFunc(func() { close(full) })
		for {
			if _, err := filler.Write(block); err != nil {
				first()
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	<-full
	path := filepath.Join(dir, "payment.db")
	_, torn := TearSQLite(path, rand.New(rand.NewPCG(1, 1)))
	close(stop)
	<-done
	if err := errors.Join(filler.Close(), os.Remove(filler.Name())); err != nil {
		t.Fatal(err)
	}
	if got := rows(t, path); got != 40 {
		t.Errorf("%d of 40 rows after %v", got, torn)
	}
}
