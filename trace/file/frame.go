package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// frames splits JSON text into records: the objects that are not inside another object,
// possibly within arrays. The separators between them (commas, brackets and white
// space) are not checked.
type frames struct {
	in    *bufio.Reader
	limit int

	record []byte   // reused; the last part of a long record
	parts  [][]byte // earlier parts, so that a long record is not copied as it grows
	long   int      // bytes in parts
	joined []byte   // reused
	line   int      // of the next byte, counted from 1
	offset int64    // of the next byte

	depth     int
	quoted    bool // in a string
	escaped   bool // after a backslash in a string
	last      byte // last byte outside of strings that is not white space
	lineBegan bool // the next byte starts a line
	breaks    int  // line breaks in the record
	oneLine   bool // the previous record had no line break

	divided bool   // the record continues one whose first elements were returned
	begin   record // line and offset of the record
	tryAt   int    // size at which the record is divided, in bytes
}

// record is one record of a file.
type record struct {
	text   []byte // valid until the next record
	line   int    // first line; 0 for protobuf
	offset int64
	cut    bool // truncated
}

func newFrames(in *bufio.Reader, limit int) *frames {
	return &frames{in: in, limit: limit, line: 1, lineBegan: true}
}

// wholeShare is the part of the limit from which on a record is divided.
const wholeShare = 8

// next returns the next record; io.EOF after the last. A record that is a long list is
// returned as several.
func (f *frames) next() (record, error) {
	if !f.divided {
		f.record, f.parts, f.long = f.record[:0], nil, 0
		f.depth, f.quoted, f.escaped, f.breaks = 0, false, false, 0
		f.begin, f.tryAt = record{}, f.limit/wholeShare
	}
	f.divided = false
	for {
		if _, err := f.in.Peek(1); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || len(f.record) == 0 {
				return f.begin, err
			}
			return f.finish(f.begin, f.depth > 0), nil
		}
		chunk, _ := f.in.Peek(f.in.Buffered())
		n, from, state := f.scan(chunk)
		if from >= 0 {
			if len(f.record) == 0 {
				before := bytes.Count(chunk[:from], []byte("\n"))
				f.begin.line, f.begin.offset = f.line+before, f.offset+int64(from)
			}
			f.keep(chunk[from:n])
		}
		f.line += bytes.Count(chunk[:n], []byte("\n"))
		f.offset += int64(n)
		if _, err := f.in.Discard(n); err != nil {
			return f.begin, err
		}
		size := f.long + len(f.record)
		switch {
		case state != within:
			return f.finish(f.begin, state == cutShort), nil
		case size > f.tryAt:
			if r, ok := f.divide(); ok {
				return r, nil
			}
			if f.joined, f.tryAt = nil, 2*size; f.tryAt > f.limit/2 {
				f.tryAt = math.MaxInt // another copy of the record would take too much memory
			}
		}
		if size > f.limit {
			return f.begin, fmt.Errorf("a record of more than %d MiB: export fewer traces per file, or one trace per line", f.limit>>20)
		}
	}
}

// divide returns the complete elements of a long list as a record and keeps the others.
func (f *frames) divide() (record, bool) {
	text := f.join()
	head, end, next, closing, ok := split(text)
	if !ok {
		return record{}, false
	}
	r := f.begin
	f.parts, f.long = nil, 0
	f.record = append(append(make([]byte, 0, max(partSize, head+len(text)-next)), text[:head]...), text[next:]...)
	f.begin.line += bytes.Count(text[head:next], []byte("\n"))
	f.begin.offset += int64(next - head)
	f.divided, f.tryAt = true, max(f.limit/wholeShare, 2*len(f.record))
	f.joined = append(text[:end], closing...) // what followed is in f.record
	r.text = f.joined
	return r, true
}

func (f *frames) finish(r record, cut bool) record {
	f.oneLine = f.breaks == 0
	r.text, r.cut = f.record, cut
	if f.long > 0 {
		r.text, f.parts = f.join(), nil
	}
	return r
}

// join returns the parts of the record as one.
func (f *frames) join() []byte {
	f.joined = slices.Grow(f.joined[:0], f.long+len(f.record))
	for _, p := range f.parts {
		f.joined = append(f.joined, p...)
	}
	f.joined = append(f.joined, f.record...)
	return f.joined
}

// partSize is the maximum size of a part of a record, in bytes.
const partSize = 1 << 20

// keep appends bytes to the record.
func (f *frames) keep(b []byte) {
	if len(f.record)+len(b) > partSize {
		f.parts, f.long = append(f.parts, f.record), f.long+len(f.record)
		f.record = make([]byte, 0, partSize)
	}
	f.record = append(f.record, b...)
}

// scanned is the state at the end of a scan.
type scanned int

const (
	within   scanned = iota // in a record, or between two
	complete                // at the end of a record
	cutShort                // at the end of a truncated record
)

// scan looks for the end of a record in a chunk. It returns the number of bytes
// consumed and the index from which they belong to a record, or -1 if none do.
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
			case c == '\n': // JSON does not allow it in a string: the line is truncated
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
				return i + 1, from, complete // text that is not an object
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
		case '[', ']', ',', '\x1e', '\xef', '\xbb', '\xbf': // also a byte order mark, in concatenated files
			if f.depth > 0 {
				switch c {
				case '[':
					f.depth++
				case ']':
					f.depth--
				}
				if f.depth == 0 {
					return i + 1, from, complete // a bracket closes an object; decoding the record reports it
				}
			} else if c == ']' && from >= 0 {
				return i, from, complete // an array element that is not an object
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

// begins reports whether a brace at the start of a line begins a new record although
// the previous one has not ended. That is so if the brace is invalid there, or if the
// file has one record per line.
func (f *frames) begins() bool {
	switch f.last {
	case '[', ',', ':':
		return f.oneLine && f.breaks == 1
	}
	return true
}
