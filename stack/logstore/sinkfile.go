package logstore

import (
	"bytes"
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/tenhop/tenhop/stack/disk"
)

// Limits of the received records.
const (
	// MaxServices is the maximum number of services with files of their own.
	MaxServices = 1000
	// DefaultDiskBytes is the default of WithDiskBytes.
	DefaultDiskBytes = 1 << 30
	// maxOpenFiles is the maximum number of files that are open for writing.
	maxOpenFiles = 64
	// A file is rotated when it exceeds its service's share of the disk space, within
	// these limits.
	minShareBytes = 1 << 20
	maxShareBytes = 32 << 20

	currentSuffix = ".otlp.jsonl"
	rotatedPrefix = ".otlp-" // and a number or "old"
	linesSuffix   = ".jsonl"
)

// sink writes received log records to files, one per service, and rotates and removes them.
type sink struct {
	dir       string
	ops       disk.Ops
	diskBytes int64
	retention time.Duration // 0 is no limit
	now       func() time.Time

	mu       sync.Mutex
	services map[string]*sinkFile // by base name; at most MaxServices and OverflowService
	opened   *list.List           // of *sinkFile, the most recently written first
	total    int64                // bytes of all files
	recent   *recent
	rotation int64 // number of the newest rotated file
	removed  int64 // bytes removed by size or age
}

// sinkFile holds the files of one service.
type sinkFile struct {
	name    string
	size    int64     // of the stored lines of the current file
	torn    int64     // bytes behind them in the current file
	started time.Time // of the current file
	written time.Time
	rotated []rotatedFile // the oldest first
	known   bool          // the end of the current file is known

	file   *os.File      // nil if it is closed
	opened *list.Element // in sink.opened
}

// rotatedFile is a file that is no longer written.
type rotatedFile struct {
	path    string
	size    int64
	written time.Time
}

func (f *sinkFile) bytes() int64 {
	total := f.size + f.torn
	for _, r := range f.rotated {
		total += r.size
	}
	return total
}

// open reads which files an earlier process left. Beyond MaxServices it removes the files
// of the services that were written least recently.
func (k *sink) open() error {
	k.services, k.opened, k.recent = map[string]*sinkFile{}, list.New(), newRecent()
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, rest, _ := strings.Cut(e.Name(), ".")
		rotated := strings.HasPrefix("."+rest, rotatedPrefix) && strings.HasSuffix(rest, linesSuffix)
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && (rotated || "."+rest == currentSuffix) {
			k.found(name, filepath.Join(k.dir, e.Name()), rotated, info)
		}
	}
	left := make([]*sinkFile, 0, len(k.services))
	for _, f := range k.services {
		slices.SortFunc(f.rotated, func(a, b rotatedFile) int {
			return cmp.Or(a.written.Compare(b.written), cmp.Compare(a.path, b.path))
		})
		left = append(left, f)
	}
	slices.SortFunc(left, func(a, b *sinkFile) int { return cmp.Or(b.written.Compare(a.written), cmp.Compare(a.name, b.name)) })
	own := 0
	for _, f := range left {
		if f.name != OverflowService {
			if own++; own > MaxServices {
				if err := k.discard(f); err != nil {
					return err
				}
				continue
			}
		}
		if err := k.resume(f); err != nil {
			return err
		}
	}
	k.removed = 0
	return errors.Join(k.expire(), k.room(0))
}

// found notes a file.
func (k *sink) found(name, path string, rotated bool, info fs.FileInfo) {
	f := k.services[name]
	if f == nil {
		f = &sinkFile{name: name}
		k.services[name] = f
	}
	if rotated {
		f.rotated = append(f.rotated, rotatedFile{path, info.Size(), info.ModTime()})
	} else {
		f.size, f.started = info.Size(), info.ModTime()
	}
	if info.ModTime().After(f.written) {
		f.written = info.ModTime()
	}
	k.total += info.Size()
}

// resume finds the end of the last complete line of a current file, since a killed process
// may have left a part of one, and remembers the newest lines of the service.
func (k *sink) resume(f *sinkFile) error {
	if k.opened.Len() >= maxOpenFiles {
		return nil // opening it later finds the end, too
	}
	if n := len(f.rotated); n > 0 {
		f.started = f.rotated[n-1].written
	}
	known := f.size
	for _, r := range slices.Backward(f.rotated) {
		if known >= recentBytes {
			break
		}
		file, err := k.ops.OpenFile(r.path, os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(k.recent.load(file, r.size), file.Close()); err != nil {
			return err
		}
		known += r.size
	}
	if f.size == 0 {
		return nil
	}
	return k.handle(f)
}

// know reads the end of a current file that an earlier process left, unless open has.
func (k *sink) know(f *sinkFile) error {
	if f.known || f.size == 0 {
		return nil
	}
	return k.handle(f)
}

// serviceFile returns the file of a service and the name under which its records are
// stored: its own, or OverflowService.
func (k *sink) serviceFile(service string) (f *sinkFile, storedAs string) {
	name := fileName(service)
	if f = k.services[name]; f != nil {
		return f, service
	}
	own := len(k.services)
	if k.services[OverflowService] != nil {
		own--
	}
	if own >= MaxServices && name != OverflowService {
		f, _ = k.serviceFile(OverflowService)
		return f, OverflowService
	}
	f = &sinkFile{name: name}
	k.services[name] = f
	return f, service
}

// stored returns the number of bytes at the start of a file that are stored. What follows
// them belongs to a request that has not succeeded.
func (k *sink) stored(path string) (int64, bool) {
	name, ok := strings.CutSuffix(filepath.Base(path), currentSuffix)
	if !ok {
		return 0, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.services[name]
	if f == nil {
		return 0, false
	}
	return f.size, true
}

// prepare opens the current file of a service for a write behind its stored lines. It
// rotates the file before if it is large.
func (k *sink) prepare(f *sinkFile) error {
	if f.size >= k.shareBytes() {
		if err := k.rotate(f); err != nil {
			return err
		}
	}
	if err := k.handle(f); err != nil {
		return err
	}
	return k.cut(f)
}

// cut removes what is behind the stored lines of an open file.
func (k *sink) cut(f *sinkFile) error {
	if f.torn == 0 {
		return nil
	}
	if err := k.ops.Truncate(f.file, f.size); err != nil {
		return err
	}
	k.total -= f.torn
	f.torn = 0
	return nil
}

// undo removes n bytes that may have been written behind the stored lines. If that fails,
// the next write to the file does it first.
func (k *sink) undo(f *sinkFile, n int64) {
	n = max(n, f.torn)
	k.total += n - f.torn
	f.torn = n
	if f.file != nil {
		_ = k.cut(f)
	}
}

// shareBytes returns the size at which a file is rotated.
func (k *sink) shareBytes() int64 {
	const filesPerService = 2
	least := min(minShareBytes, k.diskBytes/8)
	return min(max(k.diskBytes/filesPerService/int64(len(k.services)+1), least), maxShareBytes)
}

// rotate renames the current file of a service.
func (k *sink) rotate(f *sinkFile) error {
	if f.torn > 0 { // a rotated file has stored lines only
		if err := k.handle(f); err != nil {
			return err
		}
		if err := k.cut(f); err != nil {
			return err
		}
	}
	if err := k.close(f); err != nil {
		return err
	}
	k.rotation = max(k.rotation+1, k.now().UnixNano())
	to := filepath.Join(k.dir, fmt.Sprintf("%s%s%019d%s", f.name, rotatedPrefix, k.rotation, linesSuffix))
	if err := k.ops.Rename(k.path(f), to); err != nil {
		return err
	}
	f.rotated = append(f.rotated, rotatedFile{to, f.size, f.written})
	f.size = 0
	return nil
}

func (k *sink) path(f *sinkFile) string { return filepath.Join(k.dir, f.name+currentSuffix) }

// handle opens the current file of a service. It closes the least recently written one if
// too many are open.
func (k *sink) handle(f *sinkFile) error {
	if f.file != nil {
		k.opened.MoveToFront(f.opened)
		return nil
	}
	if k.opened.Len() >= maxOpenFiles {
		if err := k.close(k.opened.Back().Value.(*sinkFile)); err != nil {
			return err
		}
	}
	file, err := k.ops.OpenFile(k.path(f), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := k.check(f, file); err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.opened = file, k.opened.PushFront(f)
	return nil
}

// check compares an opened file with what is known of it, and finds the end of its last
// complete line when it is opened for the first time.
func (k *sink) check(f *sinkFile, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	size := min(f.size, info.Size()) // someone else may have cut it
	if size > 0 {
		end := make([]byte, min(size, readChunk))
		if _, err := file.ReadAt(end, size-int64(len(end))); err != nil {
			return err
		}
		size += int64(bytes.LastIndexByte(end, '\n')+1) - int64(len(end))
		if !f.known {
			if err := k.recent.load(file, size); err != nil {
				return err
			}
		}
	}
	f.known = true
	k.total += info.Size() - f.size - f.torn
	f.size, f.torn = size, info.Size()-size
	return nil
}

func (k *sink) close(f *sinkFile) error {
	if f.file == nil {
		return nil
	}
	k.opened.Remove(f.opened)
	err := f.file.Close()
	f.file, f.opened = nil, nil
	return err
}

func (k *sink) closeAll() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for k.opened.Len() > 0 {
		f := k.opened.Front().Value.(*sinkFile)
		errs = append(errs, k.cut(f), k.close(f))
	}
	return errors.Join(errs...)
}

// fileName returns the base name of a service's files: the service's name if
// that is safe in every file system, else a cleaned form with a hash, so that no
// two services share a file.
func fileName(service string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, service)
	const maxName = 100
	if clean == service && len(clean) <= maxName {
		return clean
	}
	return fmt.Sprintf("%s-%016x", clean[:min(len(clean), maxName)], xxhash.Sum64String(service))
}
