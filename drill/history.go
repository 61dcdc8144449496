package drill

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// Record is a finished round in a History.
type Record struct {
	At    time.Time       `json:"at"`
	Round Round           `json:"round"`
	Proof json.RawMessage `json:"proof,omitempty"` // output of `tenhop diagnose --json` for a person's round
}

// maxRecord bounds the length of a line, in bytes. Longer lines are skipped.
const maxRecord = 4 << 20

// History stores rounds in a file of JSON lines, to which several processes may append. It
// is safe for concurrent use.
type History struct {
	path string

	mu      sync.Mutex
	file    os.FileInfo // the file that was read
	read    int64       // number of its bytes that were read
	records []Record
}

// NewHistory returns a History of the file at path, which need not exist. If path is empty,
// the rounds are stored in memory.
func NewHistory(path string) *History { return &History{path: path} }

// Append appends a record.
func (h *History) Append(r Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.path == "" {
		h.records = append(h.records, r)
		return nil
	}
	if err := AppendLine(h.path, r, 0o600); err != nil {
		return fmt.Errorf("append to the history of drills: %w", err)
	}
	return nil
}

// AppendLine appends v as JSON on a line of its own to the file at path, which it makes with
// the given permissions if there is none. What a crash has left of a line before stays apart.
func AppendLine(path string, v any, perm os.FileMode) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, perm)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if truncated(f) {
		b = append([]byte{'\n'}, b...)
	}
	// A single write does not interleave with those of other processes.
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// truncated reports whether the last line of the file is incomplete, for instance after a
// crash.
func truncated(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}

// Records returns all records, oldest first, including those of other processes. It skips
// damaged lines. An incomplete last line is read by a later call.
func (h *History) Records() ([]Record, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.path == "" {
		return slices.Clone(h.records), nil
	}
	f, err := os.Open(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		h.read, h.records = 0, nil
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history of drills: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the history of drills: %w", err)
	}
	if h.file == nil || !os.SameFile(h.file, info) || info.Size() < h.read { // another file, or truncated
		h.read, h.records = 0, nil
	}
	h.file = info
	if _, err := f.Seek(h.read, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the history of drills: %w", err)
	}
	lines := bufio.NewReader(f)
	for {
		line, n, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return slices.Clone(h.records), nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the history of drills: %w", err)
		}
		h.read += n
		var r Record
		if json.Unmarshal(line, &r) == nil {
			h.records = append(h.records, r)
		}
	}
}

// readLine returns the next complete line and its length in bytes. The line is nil if it is
// longer than maxRecord.
func readLine(r *bufio.Reader) (line []byte, n int64, err error) {
	for {
		fragment, err := r.ReadSlice('\n')
		n += int64(len(fragment))
		if n <= maxRecord {
			line = append(line, fragment...)
		} else {
			line = nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, n, err
		}
	}
}
