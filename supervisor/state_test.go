package supervisor

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func testDir(t *testing.T) Dir {
	t.Helper()
	d, err := In(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.make(); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestReadSaysWhatIsWrong holds each state that a directory can be found in to
// a message that says so, and what to do.
func TestReadSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		why, want string
		notUp     bool
		before    func(t *testing.T, d Dir)
	}{
		{"nothing was ever started", "start it with `tenhop up`", true, func(*testing.T, Dir) {}},
		{"what ran was killed", "any more: it was killed", true, func(t *testing.T, d Dir) { announced(t, d) }},
		{"it is starting", "is starting it", true, func(t *testing.T, d Dir) { held(t, d) }},
		{"a killed one left a state, another is starting", "is starting it", true, func(t *testing.T, d Dir) {
			announced(t, d)
			held(t, d)
		}},
		{"half a file", "up.json: it is damaged", false, func(t *testing.T, d Dir) { write(t, d.Path("up.json"), `{"endp`) }},
		{"a file in the directory's place", "is a file, not a directory", false, func(t *testing.T, d Dir) {
			if err := os.Remove(d.Path()); err != nil {
				t.Fatal(err)
			}
			write(t, d.Path(), "")
		}},
	} {
		t.Run(c.why, func(t *testing.T) {
			d := testDir(t)
			c.before(t, d)
			_, err := d.Read()
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrNotUp) != c.notUp {
				t.Errorf("Read says %v", err)
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// announced leaves the state of a process that is over.
func announced(t *testing.T, d Dir) {
	t.Helper()
	if err := d.write(State{PIDs: map[string]int{"stack": 1}}); err != nil {
		t.Fatal(err)
	}
}

func held(t *testing.T, d Dir) *Hold {
	t.Helper()
	h, err := d.Hold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Release() })
	return h
}

// TestDownSparesAnotherProgram: the number of a process that a killed
// supervisor left in up.json belongs to somebody else by now.
func TestDownSparesAnotherProgram(t *testing.T) {
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	d := testDir(t)
	if err := d.write(State{PIDs: map[string]int{"payment": other.Process.Pid, "supervisor": 1 << 22}}); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Down(t.Context()); n != 0 || err != nil {
		t.Errorf("Down waited for %d processes: %v", n, err)
	}
	if _, err := d.Read(); !errors.Is(err, ErrNotUp) || strings.Contains(err.Error(), "killed") {
		t.Errorf("after Down: %v", err)
	}
}

func TestDownClearsADamagedState(t *testing.T) {
	d := testDir(t)
	write(t, d.Path("up.json"), "{")
	if n, err := d.Down(t.Context()); n != 0 || err != nil {
		t.Errorf("Down: %d, %v", n, err)
	}
	if _, err := os.Stat(d.Path("up.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("up.json is left: %v", err)
	}
}

func TestUnwritableDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, StateDir), "")
	d, err := In(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Hold(); err == nil || !strings.Contains(err.Error(), "name a writable directory with --dir") {
		t.Errorf("Hold says %v", err)
	}
}
