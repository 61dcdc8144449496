package supervisor

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestHoldRefusesWhatOthersDecide: a state directory that came with an archive, or that
// others can write to, must not lead the stores to files elsewhere.
func TestHoldRefusesWhatOthersDecide(t *testing.T) {
	for _, c := range []struct {
		why   string
		spoil func(d Dir, victim string) error
		held  bool
	}{
		{"nothing unusual", func(Dir, string) error { return nil }, true},
		{"a link deep in a store", func(d Dir, victim string) error {
			return errors.Join(d.Make("data"), os.MkdirAll(d.Path("data", "traces", "1"), 0o700), os.Symlink(victim, d.Path("data", "traces", "1", "seg")))
		}, false},
		{"a link instead of a database", func(d Dir, victim string) error {
			return errors.Join(d.Make("data"), os.Symlink(victim, d.Path("data", "payment.db")))
		}, false},
		{"a link instead of a directory", func(d Dir, victim string) error { return os.Symlink(filepath.Dir(victim), d.Path("data")) }, false},
		{"a dangling link", func(d Dir, _ string) error { return os.Symlink("nowhere", d.Path("targets.json")) }, false},
		{"a directory that everybody can write to", func(d Dir, _ string) error { return os.Chmod(d.path, 0o777) }, false},
	} {
		d, err := In(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		victim := filepath.Join(t.TempDir(), "victim")
		if err := errors.Join(d.Make(), os.WriteFile(victim, []byte("precious"), 0o600), c.spoil(d, victim)); err != nil {
			t.Fatal(err)
		}
		hold, err := d.Hold()
		var refused *DirError
		if c.held != (err == nil) || err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: %v", c.why, err)
		}
		if hold != nil {
			_ = hold.Release()
		}
		if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
			t.Errorf("%s: the file elsewhere holds %q, %v", c.why, b, err)
		}
	}
}
