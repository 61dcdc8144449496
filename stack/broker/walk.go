package broker

import (
	"encoding/binary"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// maxElements is the maximum number of elements of all arrays of a request, and of tagged
	// fields that nobody knows. The most that clients send are a few for each of maxPartitions.
	maxElements = 4 * maxPartitions
	// maxTags is the maximum number of tagged fields of a structure. None has more than three.
	maxTags = 64
	// elementBytes is more than a decoded element takes in memory, without its bytes.
	elementBytes = 256
)

// walker reads a request by its layout, and changes only numbers that have a maximum. kmsg, which
// kfake decodes requests with, trusts the numbers of elements and of tagged fields: it allocates
// as many elements as a request has bytes, and reads 2^32 tagged fields behind its end.
type walker struct {
	kbin.Reader
	version  int16
	flexible bool
	elements int
	body     []byte        // what follows the header
	wait     time.Duration // for which kfake may keep the request
}

// walk reads a request after its version: the rest of its header, and its body. It reports whether
// the request is as its layout says, and within the limits.
func (w *walker) walk(kind kmsg.Key, version int16, request []byte) bool {
	l, known := layouts()[kind]
	w.Src, w.version, w.flexible = request, version, version >= l.flexible
	w.Int32()          // correlation ID
	w.NullableString() // client ID
	if w.flexible {
		w.tags(nil)
	}
	w.body = w.Src
	w.fields(l.fields)
	return known && w.Ok()
}

// fail makes Ok false.
func (w *walker) fail() { w.Span(-1) }

// fields reads the fields of a structure.
func (w *walker) fields(fields []field) {
	for _, f := range fields {
		if f.tag < 0 && f.from <= w.version && w.version <= f.to && w.Ok() {
			w.field(f)
		}
	}
	if w.flexible && w.Ok() {
		w.tags(fields)
	}
}

// tags reads tagged fields. Those that are not among fields are skipped.
func (w *walker) tags(fields []field) {
	n := w.Uvarint()
	if n > maxTags {
		w.fail()
	}
	for ; n > 0 && w.Ok(); n-- {
		w.count(1)
		tag, content := w.Uvarint(), w.Span(int(w.Uvarint()))
		for _, f := range fields {
			if f.tag >= 0 && uint32(f.tag) == tag && w.Ok() {
				rest := w.Src
				w.Src = content
				if w.field(f); w.Ok() {
					w.Src = rest
				}
			}
		}
	}
}

// field reads a field, or an element of an array.
func (w *walker) field(f field) {
	switch f.kind {
	case 'n':
		if n := w.Span(f.size); f.size == 4 && w.Ok() {
			w.lower(n, f)
		}
	case 's', 'b':
		w.Span(max(0, w.length(f.kind)))
	case '[':
		n := max(0, w.length(f.kind))
		for w.count(n); n > 0 && w.Ok(); n-- {
			for _, inner := range f.inner {
				w.field(inner)
			}
		}
	case '{':
		w.fields(f.inner)
	case '?':
		if w.Int8() != -1 {
			w.fields(f.inner)
		}
	}
}

// lower lowers a number of 4 bytes to its maximum.
func (w *walker) lower(n []byte, f field) {
	v := min(int32(binary.BigEndian.Uint32(n)), f.most)
	binary.BigEndian.PutUint32(n, uint32(v))
	if f.waits {
		w.wait = time.Duration(v) * time.Millisecond
	}
}

// length reads the length of a string, bytes or an array. It is negative if there is none.
func (w *walker) length(kind byte) int {
	switch {
	case w.flexible:
		return int(w.Uvarint()) - 1
	case kind == 's':
		return int(w.Int16())
	}
	return int(w.Int32())
}

// count counts elements.
func (w *walker) count(n int) {
	if n > maxElements-w.elements {
		w.fail()
		return
	}
	w.elements += n
}
