// Package report reads the rounds of drills from files of JSON lines, and writes tables and
// pages about them.
package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/drill/seal"
)

// File holds the lines of a report. A report is a file of JSON lines: before each round one
// with the seal of its fault, afterwards one with the round. History files of drills can be
// read, too.
type File struct {
	Rounds []drill.Round // in the order of the file
	Seals  []Sealed

	Damaged int // number of lines that were not completed, as after a crash

	faults []json.RawMessage // of Rounds, as they were written
}

// Sealed is the line before a round.
type Sealed struct {
	Round int       `json:"round"`
	At    time.Time `json:"at"`
	seal.Seal
	before int // number of rounds before it in the file
}

// line is a line of a report or of a history.
type line struct {
	Sealed *Sealed         `json:"sealed"`
	Round  json.RawMessage `json:"round"`
	Fault  json.RawMessage `json:"fault"`
	At     time.Time       `json:"at"`
}

// maxLine bounds a line, in bytes. A diagnosis has some ten thousand.
const maxLine = 8 << 20

// Read reads a report. Lines that are incomplete are counted and left out.
func Read(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	return decode(path, f)
}

func decode(path string, from io.Reader) (File, error) {
	var out File
	lines := bufio.NewReaderSize(from, 1<<16)
	for n := 1; ; n++ {
		b, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // without a newline: still being written
			return out, nil
		}
		if err != nil {
			return out, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if b = bytes.TrimSpace(b); len(b) == 0 {
			continue
		}
		if len(b) > maxLine {
			return out, fmt.Errorf("%s:%d: the line is longer than %d bytes", path, n, maxLine)
		}
		if !json.Valid(b) {
			out.Damaged++
			continue
		}
		if err := out.add(b); err != nil {
			return out, fmt.Errorf("%s:%d: not a round of a drill: %w", path, n, err)
		}
	}
}

// add adds a line.
func (f *File) add(b []byte) error {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return err
	}
	if l.Sealed != nil {
		l.Sealed.before = len(f.Rounds)
		f.Seals = append(f.Seals, *l.Sealed)
		return nil
	}
	if bytes.HasPrefix(l.Round, []byte("{")) { // of a history
		b = l.Round
		inner := line{}
		if err := json.Unmarshal(b, &inner); err != nil {
			return err
		}
		l.Fault = inner.Fault
	}
	var r drill.Round
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	r.Fault = drill.Fault{} // as it was sealed, not joined with other fields of the same name
	if len(l.Fault) > 0 {
		if err := json.Unmarshal(l.Fault, &r.Fault); err != nil {
			return err
		}
	}
	if r.Fault.Kind == "" {
		return errors.New("it has no fault")
	}
	if r.At.IsZero() {
		r.At = l.At
	}
	f.Rounds, f.faults = append(f.Rounds, r), append(f.faults, l.Fault)
	return nil
}

// Verify checks the seals: each fault must be the sealed one, and its hash must have been
// written before the round, as that of the round. It returns the number of rounds that are
// sealed rightly, and of seals without a round, whose drill was interrupted. Rounds without a
// seal are an error.
func (f File) Verify() (right, abandoned int, err error) {
	var errs []error
	used := map[int]bool{}
	for i, r := range f.Rounds {
		switch {
		case r.Seal == nil:
			errs = append(errs, fmt.Errorf("round %d: not sealed", r.Round))
			continue
		case r.Seal.Verify(f.faults[i]) != nil:
			errs = append(errs, fmt.Errorf("round %d: %w", r.Round, r.Seal.Verify(f.faults[i])))
			continue
		}
		published := false
		for k, s := range f.Seals {
			if !used[k] && s.before <= i && s.Round == r.Round && s.SHA256 == r.Seal.SHA256 && s.Nonce == "" {
				used[k], published = true, true
				break
			}
		}
		if !published {
			errs = append(errs, fmt.Errorf("round %d: its seal was not written before the round", r.Round))
			continue
		}
		right++
	}
	return right, len(f.Seals) - len(used), errors.Join(errs...)
}

// Last returns the highest number of a round or seal, 0 without any.
func (f File) Last() int {
	last := 0
	for _, r := range f.Rounds {
		last = max(last, r.Round)
	}
	for _, s := range f.Seals {
		last = max(last, s.Round)
	}
	return last
}

// Writer appends to a report. Each line is written at once.
type Writer struct{ path string }

// Append returns a Writer of the file at path, which need not exist, and what the file holds.
func Append(path string) (Writer, File, error) {
	f, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return Writer{path}, f, err
}

// Sealed writes the line before a round.
func (w Writer) Sealed(round int, s seal.Seal) error {
	return w.write(map[string]any{"sealed": Sealed{Round: round, At: time.Now().UTC(), Seal: s}})
}

// Round writes a round.
func (w Writer) Round(r drill.Round) error { return w.write(r) }

func (w Writer) write(v any) error {
	if err := drill.AppendLine(w.path, v, 0o644); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
