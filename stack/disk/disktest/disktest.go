// Package disktest makes file operations fail, for tests of stores.
package disktest

import (
	"math/rand/v2"
	"os"
	"sync"
	"syscall"

	"github.com/tenhop/tenhop/stack/disk"
)

// Faults makes a fraction of the file operations fail: with ENOSPC or EIO, and writes also
// after a part of the bytes. It is safe for concurrent use.
type Faults struct {
	mu   sync.Mutex
	rng  *rand.Rand
	rate float64
	n    int
}

// New returns faults whose sequence the seed determines. None is injected before Rate.
func New(seed uint64) *Faults { return &Faults{rng: rand.New(rand.NewPCG(seed, 1))} }

// Rate sets the probability in [0, 1] that an operation fails.
func (f *Faults) Rate(p float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rate = p
}

// Injected returns the number of operations that failed.
func (f *Faults) Injected() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

// next returns the error of an operation, or nil, and how many of n bytes it writes before.
func (f *Faults) next(n int) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rng.Float64() >= f.rate {
		return n, nil
	}
	f.n++
	torn := 0
	if n > 0 && f.rng.IntN(2) == 0 {
		torn = f.rng.IntN(n)
	}
	if f.rng.IntN(2) == 0 {
		return torn, syscall.ENOSPC
	}
	return torn, syscall.EIO
}

// Ops returns the operating system's operations with the faults.
func (f *Faults) Ops() disk.Ops {
	real := disk.OS()
	fail := func(op, path string) error {
		if _, err := f.next(0); err != nil {
			return &os.PathError{Op: op, Path: path, Err: err}
		}
		return nil
	}
	return disk.Ops{
		OpenFile: func(path string, flag int, perm os.FileMode) (*os.File, error) {
			if err := fail("open", path); err != nil {
				return nil, err
			}
			return real.OpenFile(path, flag, perm)
		},
		WriteAt: func(file *os.File, b []byte, off int64) (int, error) {
			n, err := f.next(len(b))
			if err == nil {
				return real.WriteAt(file, b, off)
			}
			n, _ = real.WriteAt(file, b[:n], off)
			return n, &os.PathError{Op: "write", Path: file.Name(), Err: err}
		},
		Truncate: func(file *os.File, size int64) error {
			if err := fail("truncate", file.Name()); err != nil {
				return err
			}
			return real.Truncate(file, size)
		},
		Rename: func(from, to string) error {
			if err := fail("rename", from); err != nil {
				return err
			}
			return real.Rename(from, to)
		},
		Remove: func(path string) error {
			if err := fail("remove", path); err != nil {
				return err
			}
			return real.Remove(path)
		},
	}
}
