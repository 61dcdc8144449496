//go:build linux

package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
	"golang.org/x/sys/unix"
)

// errLate reports that a process was started while its data was damaged.
var errLate = errors.New("the process was started before its data was damaged")

// tear kills a process and damages its store before it is started again.
func (k *killer) tear(ctx context.Context, rng *rand.Rand, b blow) (string, error) {
	switch {
	case k.postgres && b.process != "broker":
		return "", errors.New("the store is PostgreSQL's")
	case k.kafka && b.process == "broker":
		return "", errors.New("the records are Apache Kafka's")
	}
	p, err := k.process(b.process)
	if err != nil {
		return "", err
	}
	defer p.Release()
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return "", err
	}
	for k.pid(b.process) != 0 { // the supervisor waits at least half a second before the next start
		if !uptest.Sleep(ctx, 2*time.Millisecond) {
			return "", ctx.Err()
		}
	}
	if b.process == "broker" {
		said, err := TearBroker(k.state.Path("data", "kafka"), rng)
		if k.pid(b.process) != 0 {
			return "", errLate
		}
		return said, err
	}
	path := k.state.Path("data", b.process+".db")
	unlock, err := lock(path)
	if err != nil {
		return "", err
	}
	defer unlock()
	return TearSQLite(path, rng)
}

// lock locks the store of a process that has ended. It fails if a process has the store
// open; one that opens it later waits for the lock.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	whole := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &whole); err != nil {
		return nil, errors.Join(fmt.Errorf("the store is open already: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// fullDisk is a small file system that holds all stores.
type fullDisk struct{ dir string }

// diskBytes is its size.
const diskBytes = 768 << 20

// mountDisk mounts a small file system. It needs the right to mount.
func mountDisk(dir string) (*fullDisk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskBytes)); err != nil {
		return nil, err
	}
	return &fullDisk{dir}, nil
}

func (d *fullDisk) unmount() error { return unix.Unmount(d.dir, unix.MNT_DETACH) }

// fill fills the disk of all processes, or lets the files of one process grow no more.
func (d *fullDisk) fill(ctx context.Context, k *killer, b blow) (string, error) {
	if d == nil || b.seed%2 == 0 {
		return limitFiles(ctx, k, b)
	}
	path := filepath.Join(d.dir, "ballast")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer os.Remove(path)
	defer f.Close()
	ends := time.Now().Add(b.lasting)
	block := make([]byte, 1<<20)
	for time.Now().Before(ends) && ctx.Err() == nil { // what others free is filled again
		for {
			if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
				if len(block) <= 4096 {
					break
				}
				block = block[:len(block)/2]
			} else if err != nil {
				return "", err
			}
		}
		uptest.Sleep(ctx, 20*time.Millisecond)
	}
	return "full for all, for " + b.lasting.String(), nil
}

// limitFiles makes writes of one process beyond the start of a file fail.
func limitFiles(ctx context.Context, k *killer, b blow) (string, error) {
	process := stored[int(b.seed>>8)%len(stored)]
	if k.postgres {
		process = "broker"
	}
	pid := k.pid(process)
	if pid == 0 {
		return "", fmt.Errorf("%s is not running", process)
	}
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &old); err != nil {
		return "", err
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 8 << 10, Max: old.Max}, nil); err != nil {
		return "", err
	}
	uptest.Sleep(ctx, b.lasting)
	if k.pid(process) == pid {
		if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &old, nil); err != nil {
			return "", err
		}
	}
	return "full for " + process + ", for " + b.lasting.String(), nil
}
