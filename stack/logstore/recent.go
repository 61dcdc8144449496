package logstore

import (
	"bytes"
	"os"

	"github.com/cespare/xxhash/v2"
)

// recentRequests is the number of requests of one generation of a recent.
const recentRequests = 1 << 16

// recentLines is the maximum number of lines of an earlier process that a recent holds.
const recentLines = 1 << 17

// recentBytes is the size of the end of a file whose lines are read when a store is opened.
const recentBytes = 256 << 10

// recent recognises what a client sends again. A request is recognised as a whole, among
// the newest that were stored, at least recentRequests of them: equal lines may be several
// records. What an earlier process stored, perhaps a part of its last request only, is
// recognised by line. Both are held as hashes of 8 bytes.
type recent struct {
	current, previous map[uint64]struct{}
	lines             map[uint64]int // number of equal ones
}

func newRecent() *recent {
	return &recent{current: map[uint64]struct{}{}, lines: map[uint64]int{}}
}

func (r *recent) has(request uint64) bool {
	_, ok := r.current[request]
	if !ok {
		_, ok = r.previous[request]
	}
	return ok
}

// add notes a request that was stored, and the lines of it that an earlier process had
// stored.
func (r *recent) add(request uint64, again map[uint64]int) {
	if len(r.current) >= recentRequests {
		r.previous, r.current = r.current, make(map[uint64]struct{}, recentRequests)
	}
	r.current[request] = struct{}{}
	for line, n := range again {
		if r.lines[line] -= n; r.lines[line] <= 0 {
			delete(r.lines, line)
		}
	}
}

// load adds the last complete lines of a file with the given size.
func (r *recent) load(f *os.File, size int64) error {
	buf := make([]byte, min(size, recentBytes))
	if _, err := f.ReadAt(buf, size-int64(len(buf))); err != nil {
		return err
	}
	if int64(len(buf)) < size {
		_, buf, _ = bytes.Cut(buf, []byte{'\n'})
	}
	for line := range bytes.Lines(buf) {
		if len(r.lines) >= recentLines {
			break
		}
		r.lines[xxhash.Sum64(bytes.TrimSuffix(line, []byte{'\n'}))]++
	}
	return nil
}
