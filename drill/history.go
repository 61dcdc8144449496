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

// Record is a round that is over, as a History keeps it.
type Record struct {
	At    time.Time       `json:"at"`
	Round Round           `json:"round"`
	Proof json.RawMessage `json:"proof,omitempty"` // what `tenhop diagnose --json` says while a person's answer is judged
}

// maxRecord bounds one line of a history, bytes.
const maxRecord = 4 << 20

// History keeps rounds in a file, one JSON object a line, that several
// processes may append to. It is safe for concurrent use.
type History struct {
	path string

	mu      sync.Mutex
	file    os.FileInfo // what was read
	read    int64       // bytes of it that records holds
	records []Record
}

// NewHistory keeps rounds in the file at path, which need not exist yet, or in
// memory when path is empty.
func NewHistory(path string) *History { return &History{path: path} }

// Append keeps a round.
func (h *History) Append(r Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.path == "" {
		h.records = append(h.records, r)
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep a drill: %w", err)
	}
	f, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("keep a drill: %w", err)
	}
	b = append(b, '\n')
	if cut(f) {
		b = append([]byte{'\n'}, b...)
	}
	// One write, so that lines of two processes do not mix.
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// cut reports whether the file ends in half a line, which a crash has left.
func cut(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}

// Records returns all rounds, oldest first, those of other processes too. A
// line that is damaged, by a crash, is left out; one still being written comes
// with the next call.
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
		return nil, fmt.Errorf("read the drills: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the drills: %w", err)
	}
	if h.file == nil || !os.SameFile(h.file, info) || info.Size() < h.read { // another file, or cut
		h.read, h.records = 0, nil
	}
	h.file = info
	if _, err := f.Seek(h.read, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the drills: %w", err)
	}
	lines := bufio.NewReader(f)
	for {
		line, n, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			return slices.Clone(h.records), nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the drills: %w", err)
		}
		h.read += n
		var r Record
		if json.Unmarshal(line, &r) == nil {
			h.records = append(h.records, r)
		}
	}
}

// readLine returns the next whole line and its length in bytes; of one longer
// than maxRecord it keeps nothing.
func readLine(r *bufio.Reader) (line []byte, n int64, err error) {
	for {
		part, err := r.ReadSlice('\n')
		n += int64(len(part))
		if n <= maxRecord {
			line = append(line, part...)
		} else {
			line = nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, n, err
		}
	}
}
