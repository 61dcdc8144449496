package logstore

import (
	"cmp"
	"container/list"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Limits of the received records.
const (
	// MaxServices is the maximum number of services with files of their own.
	MaxServices = 1000
	// maxOpenFiles is the maximum number of files that are open for writing.
	maxOpenFiles = 64
	// A file is rotated when it exceeds its service's share of sinkBytes, within
	// these limits. One rotated file per service is kept.
	sinkBytes     = 1 << 30
	minShareBytes = 1 << 20
	maxShareBytes = 32 << 20

	currentSuffix = ".otlp.jsonl"
	rotatedSuffix = ".otlp-old.jsonl"
)

// sink writes received log records to one file per service.
type sink struct {
	dir string

	mu    sync.Mutex
	names map[string]bool // base names of the services' files, at most MaxServices
	open  map[string]*list.Element
	used  *list.List // of *sinkFile, the most recently written first
}

// sinkFile is a file that is open for writing.
type sinkFile struct {
	*os.File
	name string
	size int64
}

// openSink opens the files that an earlier process left in dir. Beyond MaxServices it
// removes the least recently written ones.
func openSink(dir string) (*sink, error) {
	k := &sink{dir: dir, names: map[string]bool{}, open: map[string]*list.Element{}, used: list.New()}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	written := map[string]time.Time{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), currentSuffix)
		if !ok {
			name, ok = strings.CutSuffix(e.Name(), rotatedSuffix)
		}
		info, err := e.Info()
		if !ok || name == OverflowService || err != nil {
			continue // not a received file, or removed meanwhile
		}
		if info.ModTime().After(written[name]) {
			written[name] = info.ModTime()
		}
	}
	names := make([]string, 0, len(written))
	for name := range written {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(written[b].Compare(written[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		if i < MaxServices {
			k.names[name] = true
			continue
		}
		for _, suffix := range []string{currentSuffix, rotatedSuffix} {
			if err := os.Remove(filepath.Join(dir, name+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
		}
	}
	return k, nil
}

// admit returns the name under which the records of a service are stored: its
// own, or OverflowService.
func (k *sink) admit(service string) string {
	name := fileName(service)
	switch {
	case k.names[name]:
	case len(k.names) >= MaxServices:
		return OverflowService
	case service != OverflowService:
		k.names[name] = true
	}
	return service
}

// write appends lines to the file of a service.
func (k *sink) write(service string, lines []byte) error {
	name := fileName(service)
	f, err := k.file(name)
	if err == nil && f.size >= k.shareBytes() {
		if err = k.rotate(name); err == nil {
			f, err = k.file(name)
		}
	}
	if err != nil {
		return err
	}
	n, err := f.Write(lines)
	f.size += int64(n)
	if err != nil && n > 0 {
		// A partial line would be read as the start of the next one.
		if terr := f.Truncate(f.size - int64(n)); terr == nil {
			f.size -= int64(n)
		}
	}
	return err
}

// shareBytes returns the size at which a file is rotated.
func (k *sink) shareBytes() int64 {
	const filesPerService = 2
	return min(max(sinkBytes/filesPerService/int64(len(k.names)+1), minShareBytes), maxShareBytes)
}

// rotate replaces the rotated file of a name with its open file.
func (k *sink) rotate(name string) error {
	path := filepath.Join(k.dir, name)
	return errors.Join(k.close(k.open[name]), os.Rename(path+currentSuffix, path+rotatedSuffix))
}

// file returns the open file of a name. It closes the least recently written
// one if too many are open.
func (k *sink) file(name string) (*sinkFile, error) {
	if e, ok := k.open[name]; ok {
		k.used.MoveToFront(e)
		return e.Value.(*sinkFile), nil
	}
	if k.used.Len() >= maxOpenFiles {
		if err := k.close(k.used.Back()); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(filepath.Join(k.dir, name+currentSuffix), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	sf := &sinkFile{File: f, name: name, size: info.Size()}
	k.open[name] = k.used.PushFront(sf)
	return sf, nil
}

func (k *sink) close(e *list.Element) error {
	f := k.used.Remove(e).(*sinkFile)
	delete(k.open, f.name)
	return f.Close()
}

func (k *sink) closeAll() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for k.used.Len() > 0 {
		errs = append(errs, k.close(k.used.Front()))
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
