package logql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

type kind uint8

const (
	end kind = iota
	word
	number // also durations and sizes: 5m, 10ms, 2KB
	text
	symbol
)

type token struct {
	kind kind
	text string // of a text token: unquoted
	at   int
}

func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return strconv.Quote(t.text)
}

// symbols, longest first.
var symbols = []string{"|=", "!=", "|~", "!~", "=~", "==", ">=", "<=", "{", "}", "(", ")", "[", "]", ",", "|", "=", ">", "<", "+", "-", "*", "/"}

func lex(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '#':
			n := strings.IndexByte(s[i:], '\n')
			if n < 0 {
				n = len(s) - i
			}
			i += n
		case c == '"' || c == '`':
			quoted, err := strconv.QuotedPrefix(s[i:])
			if err != nil {
				return nil, fmt.Errorf("parse error at %d: string does not end", i)
			}
			value, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("parse error at %d: %w", i, err)
			}
			out = append(out, token{text, value, i})
			i += len(quoted)
		case c >= '0' && c <= '9' || c == '.':
			n := i
			for n < len(s) && (isWord(rune(s[n])) || s[n] == '.') {
				n++
			}
			out = append(out, token{number, s[i:n], i})
			i = n
		case isWord(rune(c)):
			n := i
			for n < len(s) && isWord(rune(s[n])) {
				n++
			}
			out = append(out, token{word, s[i:n], i})
			i = n
		default:
			found := false
			for _, sym := range symbols {
				if strings.HasPrefix(s[i:], sym) {
					out = append(out, token{symbol, sym, i})
					i += len(sym)
					found = true
					break
				}
			}
			if !found {
				return nil, fmt.Errorf("parse error at %d: unexpected %q", i, c)
			}
		}
	}
	return append(out, token{kind: end, at: len(s)}), nil
}

func isWord(r rune) bool {
	return r == '_' || r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
