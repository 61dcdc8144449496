package file

import (
	"bytes"
	"slices"
)

// maxLevels is the number of nested containers that split tracks. The lists that can be
// split are above it in every format.
const maxLevels = 12

// level is an open object or array.
type level struct {
	array bool
	key   string // of this container in the enclosing object
	seen  []string
	first int // index of the first element of an array, 0 before it
	last  int // index after the last complete element, 0 before it
}

// lists holds the keys of arrays whose elements can be read apart from each other, each
// with the keys that must precede it in the same object.
var lists = map[string][]string{
	"data": nil, "batches": nil, "resourceSpans": nil, "resource_spans": nil, "hits": nil,
	"scopeSpans": {"resource"}, "scope_spans": {"resource"},
	"instrumentationLibrarySpans": {"resource"}, "instrumentation_library_spans": {"resource"},
	"spans": nil, // see splittable
}

// split looks for complete elements of a list in the beginning of a JSON object. The
// object may be divided after them: b[:head] + b[head:end] + closing is an object with
// these elements, and b[:head] + b[next:] the beginning of one with the others. It
// returns false if there is no such list.
func split(b []byte) (head, end, next int, closing []byte, ok bool) {
	open, deeper := openAt(b)
	if deeper < 0 {
		return 0, 0, 0, nil, false
	}
	for i, l := range open {
		if !l.array {
			continue
		}
		if !splittable(open[:i+1]) {
			break
		}
		if l.last == 0 {
			continue
		}
		next = l.last + bytes.IndexFunc(b[l.last:], func(r rune) bool { return r == ',' }) + 1
		if next <= l.last {
			return 0, 0, 0, nil, false // the comma is not there yet
		}
		for _, outer := range slices.Backward(open[:i+1]) {
			if outer.array {
				closing = append(closing, ']')
			} else {
				closing = append(closing, '}')
			}
		}
		return l.first, l.last, next, closing, true
	}
	return 0, 0, 0, nil, false
}

// splittable reports whether the last of open is an array that may be split.
func splittable(open []level) bool {
	l := open[len(open)-1]
	before, known := lists[l.key]
	if !known || len(open) < 2 {
		return false
	}
	object := open[len(open)-2]
	if l.key == "spans" {
		if slices.Contains(object.seen, "traceID") && slices.Contains(object.seen, "processes") {
			return true // Jaeger's
		}
		if len(open) < 3 {
			return false
		}
		_, known = lists[open[len(open)-3].key] // OTLP's, within scopeSpans
		return known && open[len(open)-3].key != "data"
	}
	for _, key := range before {
		if !slices.Contains(object.seen, key) {
			return false
		}
	}
	return true
}

// openAt returns the containers that are open at the end of b, up to maxLevels, and the
// number of those within. The number is negative for text that is not JSON.
func openAt(b []byte) (open []level, deeper int) {
	var key string
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			from := i + 1
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if deeper == 0 && len(open) > 0 && i < len(b) {
				if l := &open[len(open)-1]; !l.array && i-from <= 64 {
					key = string(b[from:i])
				}
			}
		case ':':
			if deeper == 0 && len(open) > 0 {
				if l := &open[len(open)-1]; !l.array && len(l.seen) < 64 {
					l.seen = append(l.seen, key)
				}
			}
		case '{', '[':
			if len(open) == maxLevels {
				deeper++
				continue
			}
			if n := len(open); n > 0 && open[n-1].array && open[n-1].first == 0 {
				open[n-1].first = i
			}
			l := level{array: c == '['}
			if n := len(open); n > 0 && !open[n-1].array {
				l.key = key
			}
			open = append(open, l)
		case '}', ']':
			if deeper > 0 {
				deeper--
				continue
			}
			n := len(open)
			if n == 0 || open[n-1].array != (c == ']') {
				return nil, -1
			}
			if open = open[:n-1]; n > 1 && open[n-2].array {
				open[n-2].last = i + 1
			}
		}
	}
	return open, deeper
}
