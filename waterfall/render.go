package waterfall

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/tenhop/tenhop/trace"
)

const (
	nameWidth  = 46
	self       = '█'
	waiting    = '░' // for a call
	queue      = '·'
	critical   = '▸'
	barDefault = 60
)

// Render writes a trace to w. width is the width of the bars in columns; it is 60 if width
// is not positive. An error is that of w.
func Render(w io.Writer, tr *trace.Trace, width int) error {
	if width <= 0 {
		width = barDefault
	}
	t := trace.NewTree(tr)
	onPath := make([]bool, t.Len())
	for _, s := range t.CriticalPaths() {
		onPath[s.Span] = true
	}
	c := chart{Tree: t, total: max(t.Duration(), 1), width: width}
	var b strings.Builder
	fmt.Fprintf(&b, "trace %s: %d spans, %d services, %s\n", printable(tr.ID), t.Len(), len(tr.Services()), milliseconds(c.total))
	if n := len(t.Missing()); n > 0 {
		fmt.Fprintf(&b, "%d spans have no parent here: the trace is not complete\n", n)
	}
	fmt.Fprintf(&b, "%c self time  %c wait time  %c queue wait  %c critical path\n\n", self, waiting, queue, critical)
	fmt.Fprintf(&b, "  %-*s %9s %9s\n", nameWidth, "", "total", "self")
	for _, i := range slices.Concat(t.Order(), t.Duplicates()) {
		mark := ' '
		if onPath[i] {
			mark = critical
		}
		indent := strings.Repeat(" ", min(t.Depth(i), nameWidth)) // fit cuts the rest
		if q, ok := t.Queue(i); ok {
			fmt.Fprintf(&b, "%c %s %9s %9s %s\n", mark, fit(indent+"(queue wait)"), milliseconds(q.Took()), "", c.gap(q))
		}
		fmt.Fprintf(&b, "%c %s %9s %9s %s\n", mark, fit(indent+name(t.Span(i))), milliseconds(t.Took(i)), milliseconds(t.Self(i)), c.bar(i))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// name returns the label of a span.
func name(s *trace.Span) string {
	name := s.Service + " " + s.Operation
	if peer := s.Peer(); s.Kind == trace.Client && peer != "" && !strings.ContainsAny(s.Operation, " /") {
		name += " > " + peer // spans of HTTP clients are named after the method only
	}
	if s.Failed {
		name += " (failed)"
	}
	return name
}

// printable replaces what is not printable, which a terminal might obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// fit makes a name printable and exactly nameWidth columns wide.
func fit(name string) string {
	r := []rune(printable(name))
	if len(r) > nameWidth {
		r = append(r[:nameWidth-1], '…')
	}
	return string(r) + strings.Repeat(" ", nameWidth-len(r))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// chart draws the bars of a trace.
type chart struct {
	*trace.Tree
	total time.Duration // duration of the trace, at least 1 ns
	width int           // columns
}

// bar returns the bar of a span. A column shows self time unless the span waited for a
// child during all of it.
func (c chart) bar(i int) string {
	cells := blank(c.width)
	fill(cells, c.Start(i), c.End(i), c.total, self)
	for _, k := range c.Children(i) {
		if start, end := c.Start(k), min(c.End(k), c.End(i)); !c.Async(k) && start < end {
			fillWhole(cells, max(start, c.Start(i)), end, c.total, waiting)
		}
	}
	return strings.TrimRight(string(cells), " ")
}

// gap returns the bar of a queue wait.
func (c chart) gap(q trace.Queue) string {
	cells := blank(c.width)
	fill(cells, q.From, q.To, c.total, queue)
	return strings.TrimRight(string(cells), " ")
}

func blank(width int) []rune { return []rune(strings.Repeat(" ", width)) }

// fill sets every column that overlaps [from, to), at least one.
func fill(cells []rune, from, to, total time.Duration, with rune) {
	first := min(column(from, total, len(cells)), len(cells)-1)
	last := max(column(to-1, total, len(cells)), first)
	for i := max(first, 0); i <= min(last, len(cells)-1); i++ {
		cells[i] = with
	}
}

// fillWhole sets every column that lies entirely within [from, to).
func fillWhole(cells []rune, from, to, total time.Duration, with rune) {
	first := column(from+total/time.Duration(len(cells))-1, total, len(cells))
	for i := max(first, 0); i < min(column(to, total, len(cells)), len(cells)); i++ {
		cells[i] = with
	}
}

// column returns the column that contains a time.
func column(at, total time.Duration, width int) int {
	return int(float64(at) / float64(total) * float64(width))
}
