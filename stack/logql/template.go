package logql

import (
	"errors"
	"strings"
	"text/template/parse"
)

// maxFormattedBytes is the maximum length of a line that line_format produces.
const maxFormattedBytes = 1 << 20

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

var errLineTooLong = errors.New("formatted line is too long")

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
