package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// frames divides JSON text into its records: the objects that are in nothing
// but arrays. What separates them, commas, brackets and white space, is not
// checked.
type frames struct {
	in    *bufio.Reader
	limit int

	record []byte   // reused; the end of the record, when there are
	parts  [][]byte // before it, so that a long record is not copied as it grows
	long   int      // bytes in parts
	joined []byte   // reused
	line   int      // of the next byte, from 1
	offset int64    // of the next byte

	depth     int
	quoted    bool // in a string
	escaped   bool // after its backslash
	last      byte // the last one that is no white space, outside of strings
	lineBegan bool // the next byte is the first one of its line
	breaks    int  // of lines, in the record
	oneLine   bool // the record before had none
}

// record is one record of a file.
type record struct {
	text   []byte // valid until the next record
	line   int    // on which it begins; 0 in protobuf
	offset int64
	cut    bool // it ends too early
}

func newFrames(in *bufio.Reader, limit int) *frames {
	return &frames{in: in, limit: limit, line: 1, lineBegan: true}
}

// next returns the next record; io.EOF after the last.
func (f *frames) next() (record, error) {
	f.record, f.parts, f.long = f.record[:0], nil, 0
	f.depth, f.quoted, f.escaped, f.breaks = 0, false, false, 0
	r := record{}
	for {
		if _, err := f.in.Peek(1); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || len(f.record) == 0 {
				return r, err
			}
			return f.finish(r, f.depth > 0), nil
		}
		chunk, _ := f.in.Peek(f.in.Buffered())
		n, from, state := f.scan(chunk)
		if from >= 0 {
			if len(f.record) == 0 {
				before := bytes.Count(chunk[:from], []byte("\n"))
				r.line, r.offset = f.line+before, f.offset+int64(from)
			}
			f.keep(chunk[from:n])
		}
		f.line += bytes.Count(chunk[:n], []byte("\n"))
		f.offset += int64(n)
		if _, err := f.in.Discard(n); err != nil {
			return r, err
		}
		switch {
		case state != within:
			return f.finish(r, state == cutShort), nil
		case f.long+len(f.record) > f.limit:
			return r, fmt.Errorf("a record of more than %d MiB", f.limit>>20)
		}
	}
}

func (f *frames) finish(r record, cut bool) record {
	f.oneLine = f.breaks == 0
	r.text, r.cut = f.record, cut
	if f.long > 0 {
		f.joined = slices.Grow(f.joined[:0], f.long+len(f.record))
		for _, p := range f.parts {
			f.joined = append(f.joined, p...)
		}
		f.joined = append(f.joined, f.record...)
		r.text, f.parts = f.joined, nil
	}
	return r
}

// partSize is how long a part of a record may grow, in bytes.
const partSize = 1 << 20

// keep adds bytes to the record.
func (f *frames) keep(b []byte) {
	if len(f.record)+len(b) > partSize {
		f.parts, f.long = append(f.parts, f.record), f.long+len(f.record)
		f.record = make([]byte, 0, partSize)
	}
	f.record = append(f.record, b...)
}

// scanned is where a scan stopped.
type scanned int

const (
	within   scanned = iota // in a record, or between two
	complete                // at the end of a record
	cutShort                // where a record ends too early
)

// scan looks for the end of a record in a chunk. It returns how much of the
// chunk was used, and from where on that is of a record; -1 for nowhere.
func (f *frames) scan(chunk []byte) (n, from int, state scanned) {
	from = -1
	if len(f.record) > 0 {
		from = 0
	}
	for i, c := range chunk {
		if f.quoted {
			switch {
			case f.escaped:
				f.escaped = false
			case c == '\\':
				f.escaped = true
			case c == '"':
				f.quoted = false
			case c == '\n': // which JSON does not allow: the line was cut
				f.lineBegan = true
				return i + 1, from, cutShort
			}
			continue
		}
		began := f.lineBegan
		f.lineBegan = c == '\n'
		switch c {
		case ' ', '\t', '\r':
			continue
		case '\n':
			if f.depth == 0 && from >= 0 {
				return i + 1, from, complete // text that is no object
			}
			f.breaks++
			continue
		case '{':
			if f.depth > 0 && began && f.begins() {
				return i, from, cutShort
			}
			if from < 0 {
				from, f.breaks = i, 0
			}
			f.depth++
		case '}':
			if f.depth > 0 {
				if f.depth--; f.depth == 0 {
					f.last = c
					return i + 1, from, complete
				}
			} else if from < 0 {
				from = i
			}
		case '[', ']', ',', '\x1e', '\xef', '\xbb', '\xbf': // also a byte order mark, where files were joined
			if f.depth > 0 {
				if c == '[' {
					f.depth++
				} else if c == ']' {
					f.depth--
				}
				if f.depth == 0 {
					return i + 1, from, complete // a bracket that closes an object; the record says so
				}
			} else if c == ']' && from >= 0 {
				return i, from, complete // what is no object is in an array
			}
		case '"':
			if from < 0 {
				from = i
			}
			f.quoted = true
		default:
			if from < 0 {
				from = i
			}
		}
		f.last = c
	}
	return len(chunk), from, within
}

// begins reports whether a brace at the beginning of a line begins a record,
// although the one before has not ended: it could not stand there otherwise, or
// records have one line each.
func (f *frames) begins() bool {
	switch f.last {
	case '[', ',', ':':
		return f.oneLine && f.breaks == 1
	}
	return true
}
