package logstore

import (
	"bytes"
	"os"

	"github.com/cespare/xxhash/v2"
)

// recentLines is the number of lines of one generation of a recent.
const recentLines = 1 << 17

// recentBytes is the size of the end of a file whose lines are read when a store is opened.
const recentBytes = 256 << 10

// recent is the set of the newest lines that were stored, at least recentLines of them, as
// hashes of 8 bytes. A line has the time of its record, so an equal line is the same record
// sent again.
type recent struct{ current, previous map[uint64]struct{} }

func newRecent() *recent { return &recent{current: map[uint64]struct{}{}} }

func (r *recent) has(line uint64) bool {
	_, ok := r.current[line]
	if !ok {
		_, ok = r.previous[line]
	}
	return ok
}

func (r *recent) add(line uint64) {
	if len(r.current) >= recentLines {
		r.previous, r.current = r.current, make(map[uint64]struct{}, recentLines)
	}
	r.current[line] = struct{}{}
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
		r.add(xxhash.Sum64(bytes.TrimSuffix(line, []byte{'\n'})))
	}
	return nil
}
