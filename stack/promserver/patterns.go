package promserver

import (
	"regexp/syntax"

	"github.com/prometheus/prometheus/util/strutil"
)

// maxPatterns bounds the characters and operators of the regular expressions of a query, with
// what is repeated written out as often: compiling them takes about 40 bytes for each.
const maxPatterns = 64 << 10

// expanded returns the size of a quoted text as a regular expression with its repetitions
// written out. Parsing does not write them out; compiling does.
func expanded(quoted string) int {
	text, err := strutil.Unquote(quoted)
	if err != nil {
		return 0 // the parser of queries tells
	}
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0
	}
	return nodes(re)
}

// nodes returns the number of characters and operators of an expression. It is at most
// maxPatterns+1, so that products do not overflow.
func nodes(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += nodes(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min+1, re.Max)
	}
	return min(n, maxPatterns+1)
}
