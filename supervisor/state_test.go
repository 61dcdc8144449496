package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func testDir(t *testing.T) Dir {
	t.Helper()
	d, err := In(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Make(); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestReadSaysWhatIsWrong reads each state in which a directory can be.
func TestReadSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		why, want string
		notUp     bool
		before    func(t *testing.T, d Dir)
	}{
		{"nothing was ever started", "nothing is running in", true, func(*testing.T, Dir) {}},
		{"what ran was killed", "the previous run was killed", true, func(t *testing.T, d Dir) { announced(t, d) }},
		{"it is starting", "is still starting in", true, func(t *testing.T, d Dir) { held(t, d) }},
		{"a killed one left a state, another is starting", "is still starting in", true, func(t *testing.T, d Dir) {
			announced(t, d)
			held(t, d)
		}},
		{"half a file", "up.json: damaged state file", false, func(t *testing.T, d Dir) { write(t, d.Path("up.json"), `{"endp`) }},
		{"a file in the directory's place", "it is a file, not a directory", false, func(t *testing.T, d Dir) {
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
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrNotRunning) != c.notUp {
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

// announced writes the state of a process that has ended.
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

// stranger starts a process that no supervisor has started.
func stranger(t *testing.T) *os.Process {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process
}

// announcedWith writes a state with the given start time of the process payment.
// Announce would look it up.
func announcedWith(t *testing.T, d Dir, pid int, start uint64) {
	t.Helper()
	b, err := json.Marshal(State{PIDs: map[string]int{"payment": pid}, Starts: map[string]uint64{"payment": start},
		Endpoints: map[string]string{"jaeger": "https://me:secret@jaeger:16686"}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.Path("up.json"), string(b))
}

// startOf returns the start time of a process.
func startOf(t *testing.T, pid int) uint64 {
	t.Helper()
	start, err := startTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	return start
}

// TestDownSparesAnotherProgram: the ID of a process that a killed supervisor left
// in up.json may belong to another program by now.
func TestDownSparesAnotherProgram(t *testing.T) {
	other := stranger(t)
	d := testDir(t)
	announcedWith(t, d, other.Pid, startOf(t, other.Pid)+1)
	if n, err := d.Down(t.Context()); n != 0 || err != nil {
		t.Errorf("Down waited for %d processes: %v", n, err)
	}
	if _, err := d.Read(); !errors.Is(err, ErrNotRunning) || strings.Contains(err.Error(), "killed") {
		t.Errorf("after Down: %v", err)
	}
}

// TestStatusSparesAnotherProgram: a child has crashed, and another program has got
// its ID.
func TestStatusSparesAnotherProgram(t *testing.T) {
	other := stranger(t)
	start := startOf(t, other.Pid)
	d := testDir(t)
	held(t, d)
	announcedWith(t, d, other.Pid, start+1)
	got, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprint(got), "secret") {
		t.Errorf("the status has a password: %v", got.Endpoints)
	}
	if len(got.Parts) != 1 || got.Parts[0].PID != 0 || got.RSSBytes != 0 || got.Ready {
		t.Errorf("another program counts as payment: %+v", got)
	}
	announcedWith(t, d, other.Pid, start)
	if got, err = d.Status(t.Context()); err != nil || got.Parts[0].PID != other.Pid || got.RSSBytes == 0 {
		t.Errorf("the process itself does not count: %+v, %v", got, err)
	}
}

// TestDownSignalsOnlyTheHolder: the lock file names a process that does not hold
// the lock.
func TestDownSignalsOnlyTheHolder(t *testing.T) {
	other := stranger(t)
	d := testDir(t)
	held(t, d)
	for why, content := range map[string]string{
		"another start time": fmt.Sprintf("%d 2026-11-23T10:00:00Z %d\n", other.Pid, startOf(t, other.Pid)+1),
		"no start time":      fmt.Sprintf("%d 2026-11-23T10:00:00Z\n", other.Pid),
		"no process":         "",
	} {
		write(t, d.Path("lock"), content)
		if n, err := d.Down(t.Context()); n != 0 || err == nil || !strings.Contains(err.Error(), "by hand") {
			t.Errorf("%s: Down = %d, %v", why, n, err)
		}
	}
	if !isProcess(other.Pid, startOf(t, other.Pid)) {
		t.Error("Down has stopped a stranger")
	}
}

// TestSymlinksAreNotFollowed: another user may have created files in the working
// directory.
func TestSymlinksAreNotFollowed(t *testing.T) {
	precious := filepath.Join(t.TempDir(), "precious")
	for _, c := range []struct {
		name string
		use  func(Dir) error
		ok   bool // the link is replaced
	}{
		{"lock", func(d Dir) error { _, err := d.Hold(); return err }, false},
		{"up.json", func(d Dir) error { _, err := d.Read(); return err }, false},
		{"up.json.next", func(d Dir) error { return d.write(State{}) }, true},
		{"targets.json.next", func(d Dir) error { return replaceFile(d.Path("targets.json"), nil) }, true},
		{"payment.jsonl", func(d Dir) error { _, err := openLog(d.Path("payment.jsonl"), 100); return err }, false},
		{"logs", func(d Dir) error { return d.Make("logs") }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, precious, "precious")
			d := testDir(t)
			target := precious
			if c.name == "logs" {
				target = filepath.Dir(precious)
			}
			if err := os.Symlink(target, d.Path(c.name)); err != nil {
				t.Fatal(err)
			}
			if err := c.use(d); (err == nil) != c.ok || (err != nil && !errors.Is(err, errSymlink)) {
				t.Errorf("error: %v", err)
			}
			if b, err := os.ReadFile(precious); err != nil || string(b) != "precious" {
				t.Errorf("the target of the link is %q, %v", b, err)
			}
		})
	}
}

// TestPipeDoesNotBlock: a named pipe has no reader.
func TestPipeDoesNotBlock(t *testing.T) {
	d := testDir(t)
	if err := syscall.Mkfifo(d.Path("lock"), 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := d.Hold(); !errors.Is(err, errNotRegular) {
		t.Errorf("Hold: %v", err)
	}
	if err := syscall.Mkfifo(d.Path("payment.jsonl"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openLog(d.Path("payment.jsonl"), 100); err == nil {
		t.Error("a pipe is a log file")
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
	if _, err := d.Hold(); err == nil || !strings.Contains(err.Error(), "as state directory") {
		t.Errorf("Hold says %v", err)
	}
}
