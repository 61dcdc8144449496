package logql

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"
)

const (
	// maxTemplateBytes is the maximum length of a template of line_format.
	maxTemplateBytes = 4 << 10
	// maxFormattedBytes is the maximum length of a line that line_format produces,
	// and about that of the result of each function in it.
	maxFormattedBytes = 1 << 20
)

// functions replaces the functions of package template that build strings by ones
// that fail before the string gets too long.
var functions = template.FuncMap{
	"print":    bounded(fmt.Sprint),
	"println":  bounded(fmt.Sprintln),
	"html":     bounded(template.HTMLEscaper),
	"js":       bounded(template.JSEscaper),
	"urlquery": bounded(template.URLQueryEscaper),
	"printf":   printf,
}

func bounded(f func(...any) string) func(...any) (string, error) {
	return func(args ...any) (string, error) {
		if sum, _ := sizes(args); sum > maxFormattedBytes {
			return "", errLineTooLong
		}
		return f(args...), nil
	}
}

// wide matches verbs with a width or precision of more than three digits, or of an
// argument.
var wide = regexp.MustCompile(`%[^%a-zA-Z]*(\*|[0-9]{4})`)

func printf(format string, args ...any) (string, error) {
	if wide.MatchString(format) {
		return "", errTooWide
	}
	const widest = 999
	sum, largest := sizes(args)
	verbs := strings.Count(format, "%")
	if strings.Contains(format, "[") { // verbs may choose the same argument
		sum = verbs * largest
	}
	if len(format)+sum+verbs*widest > maxFormattedBytes {
		return "", errLineTooLong
	}
	return fmt.Sprintf(format, args...), nil
}

// sizes returns the length of the arguments together and of the largest.
func sizes(args []any) (sum, largest int) {
	const number = 32 // also of a boolean
	for _, a := range args {
		size := number
		switch a := a.(type) {
		case string:
			size = len(a)
		case map[string]string:
			for k, v := range a {
				size += len(k) + len(v) + 2
			}
		}
		sum, largest = sum+size, max(largest, size)
	}
	return sum, largest
}

// loopIn returns the name of the first action in a template that can repeat
// ("range", "template"), or an empty string. Labels are strings, so a format can
// iterate over numbers only, and a large one would block the query.
func loopIn(n parse.Node) string {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return ""
		}
		for _, inner := range n.Nodes {
			if name := loopIn(inner); name != "" {
				return name
			}
		}
	case *parse.RangeNode:
		return "range"
	case *parse.TemplateNode:
		return "template"
	case *parse.IfNode:
		return loopIn(branches(&n.BranchNode))
	case *parse.WithNode:
		return loopIn(branches(&n.BranchNode))
	}
	return ""
}

// branches returns both lists of a conditional action as one.
func branches(n *parse.BranchNode) *parse.ListNode {
	both := &parse.ListNode{Nodes: []parse.Node{n.List}}
	if n.ElseList != nil {
		both.Nodes = append(both.Nodes, n.ElseList)
	}
	return both
}

var (
	errLineTooLong = errors.New("formatted line is too long")
	errTooWide     = errors.New("printf with a width or precision above 999")
)

// limitedBuilder builds a string and fails beyond a number of bytes.
type limitedBuilder struct {
	text strings.Builder
	left int
}

// Write implements io.Writer.
func (b *limitedBuilder) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errLineTooLong
	}
	return b.text.Write(p)
}
