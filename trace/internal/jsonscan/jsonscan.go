// Package jsonscan implements a pull parser for JSON in memory. It is lenient: values
// that are skipped are not validated.
package jsonscan

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Scanner reads one JSON value. After the first error every method returns a zero
// value, and Err returns the error.
type Scanner struct {
	b   []byte
	at  int
	err error
}

// New returns a scanner of b.
func New(b []byte) *Scanner { return &Scanner{b: b} }

// Err returns the first error. It is io.ErrUnexpectedEOF if the value is truncated.
func (s *Scanner) Err() error { return s.err }

// Offset returns how many bytes have been read.
func (s *Scanner) Offset() int { return s.at }

func (s *Scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// Next returns the first byte of the next value, which determines its type. It returns
// 0 at the end.
func (s *Scanner) Next() byte {
	if s.err != nil {
		return 0
	}
	for s.at < len(s.b) {
		switch c := s.b[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take consumes the next byte.
func (s *Scanner) take(want byte) bool {
	switch c := s.Next(); {
	case s.err != nil:
		return false
	case c == want:
		s.at++
		return true
	case s.at == len(s.b):
		s.err = io.ErrUnexpectedEOF
	default:
		s.fail("invalid character %q, want %q", c, want)
	}
	return false
}

// Object reads an object and calls field for each of its keys. A value that
// field does not read is skipped. Null is an object without fields; another
// type is an error.
func (s *Scanner) Object(field func(key []byte)) {
	if s.null() || !s.take('{') {
		return
	}
	if s.Next() == '}' {
		s.at++
		return
	}
	for s.err == nil {
		key := s.text()
		if !s.take(':') {
			return
		}
		s.Next()
		value := s.at
		if field(key); s.err == nil && s.at == value {
			s.Skip()
		}
		if s.done('}') {
			return
		}
	}
}

// Array reads an array and calls element before each of its values. A value
// that element does not read is skipped. Null is an empty array; another type
// is an error.
func (s *Scanner) Array(element func()) {
	if s.null() || !s.take('[') {
		return
	}
	if s.Next() == ']' {
		s.at++
		return
	}
	for s.err == nil {
		s.Next()
		value := s.at
		if element(); s.err == nil && s.at == value {
			s.Skip()
		}
		if s.done(']') {
			return
		}
	}
}

// done reads the comma after a value, or the end of the enclosing array or object.
func (s *Scanner) done(end byte) bool {
	switch c := s.Next(); {
	case s.err != nil:
		return true
	case c == ',':
		s.at++
		return false
	case c == end:
		s.at++
		return true
	case s.at == len(s.b):
		s.err = io.ErrUnexpectedEOF
	default:
		s.fail("invalid character %q, want ',' or %q", c, end)
	}
	return true
}

func (s *Scanner) null() bool {
	if s.Next() == 'n' {
		s.Skip()
		return true
	}
	return false
}

// Skip reads over the next value.
func (s *Scanner) Skip() {
	depth := 0
	for s.err == nil {
		switch c := s.Next(); {
		case s.at == len(s.b):
			s.err = io.ErrUnexpectedEOF
			return
		case c == '"':
			s.quoted()
		case c == '{' || c == '[':
			s.at++
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				s.fail("invalid character %q, want a value", c)
				return
			}
			s.at++
			depth--
		case c == ',' || c == ':':
			if depth == 0 {
				s.fail("invalid character %q, want a value", c)
				return
			}
			s.at++
			continue
		default:
			s.word()
		}
		if depth == 0 {
			return
		}
	}
}

// word reads a number, true, false or null.
func (s *Scanner) word() []byte {
	from := s.at
	for s.at < len(s.b) {
		c := s.b[s.at]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.' {
			s.at++
			continue
		}
		break
	}
	if from == s.at {
		s.fail("invalid character %q, want a value", s.b[s.at])
	}
	return s.b[from:s.at]
}

// quoted reads a string and returns the undecoded text between its quotes.
func (s *Scanner) quoted() (raw []byte, escaped bool) {
	s.at++
	from := s.at
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case '"':
			s.at++
			return s.b[from : s.at-1], escaped
		case '\\':
			escaped = true
			s.at++
		}
		s.at++
	}
	s.at = len(s.b)
	s.err = io.ErrUnexpectedEOF
	return nil, false
}

// text reads a string. The result aliases the input unless the string has escapes.
func (s *Scanner) text() []byte {
	switch c := s.Next(); {
	case s.err != nil:
		return nil
	case s.at == len(s.b):
		s.err = io.ErrUnexpectedEOF
		return nil
	case c != '"':
		s.fail("invalid character %q, want a string", c)
		return nil
	}
	from := s.at
	raw, escaped := s.quoted()
	switch {
	case s.err != nil:
		return nil
	case escaped:
		var v string
		if err := json.Unmarshal(s.b[from:s.at], &v); err != nil {
			s.fail("string %s: %w", clip(s.b[from:s.at]), err)
			return nil
		}
		return []byte(v)
	case !utf8.Valid(raw):
		return []byte(strings.ToValidUTF8(string(raw), "\uFFFD"))
	}
	return raw
}

// Text reads a value and returns it as text: a string without its quotes, null as
// empty, and any other value as it is written. The result may alias the input.
func (s *Scanner) Text() []byte {
	switch s.Next() {
	case '"':
		return s.text()
	case 'n':
		s.Skip()
		return nil
	}
	return s.Raw()
}

// Raw reads a value and returns its JSON. If the value is truncated, Raw returns the
// part that is present.
func (s *Scanner) Raw() []byte {
	s.Next()
	from := s.at
	s.Skip()
	return s.b[from:s.at]
}

// Stop makes the scanner fail with err.
func (s *Scanner) Stop(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Int reads an integer, which may be a string or have an exponent. It returns false for
// any other value.
func (s *Scanner) Int() (int64, bool) {
	text := s.Text()
	if s.err != nil || len(text) == 0 {
		return 0, s.err == nil && text == nil
	}
	if v, ok := digits(text); ok {
		return v, true
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(v) >= math.MaxInt64 || math.IsNaN(v) {
		return 0, false
	}
	return int64(v), true
}

// digits parses a plain decimal number.
func digits(b []byte) (v int64, ok bool) {
	if len(b) > 20 {
		return 0, false
	}
	digits := b
	if b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		n, err := strconv.ParseInt(string(b), 10, 64)
		return n, err == nil
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = 10*v + int64(c-'0')
	}
	if b[0] == '-' {
		v = -v
	}
	return v, true
}

func clip(b []byte) string { return strconv.Quote(string(b[:min(len(b), 40)])) }

// MaxItems is the maximum number of attributes, and of events, that a decoder keeps per
// span. An item of a few bytes in JSON takes many times that in memory.
const MaxItems = 10_000

// Clip returns the beginning of a text for an error message, without control
// characters.
func Clip[T string | []byte](text T) string {
	const most = 200 // bytes
	s := strings.ToValidUTF8(string(text[:min(len(text), most)]), "")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
