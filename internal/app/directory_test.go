package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestDirectory(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	secret := filepath.Join(elsewhere, "up.json")
	for path, content := range map[string]string{filepath.Join(dir, "a.json"): "{}", secret: `{"token":"x"}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	large, err := os.Create(filepath.Join(dir, "large.json"))
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(large.Truncate(maxFile+1), large.Close(),
		os.Symlink("a.json", filepath.Join(dir, "within.json")),
		os.Symlink(secret, filepath.Join(dir, "outside.json")),
		os.Symlink("/dev/zero", filepath.Join(dir, "device.json")),
		syscall.Mkfifo(filepath.Join(dir, "pipe.json"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Directory(dir)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(d, "*.json")
	if err != nil || len(names) != 6 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range append(names, "../"+filepath.Base(elsewhere)+"/up.json") {
		_, err := fs.ReadFile(d, name)
		if want := name == "a.json" || name == "within.json"; (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
