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
	waiting    = '░'
	queue      = '·'
	critical   = '▸'
	barDefault = 60
)

// Render draws a trace. Bars are width columns wide; 60 when width is 0.
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
	fmt.Fprintf(&b, "trace %s: %d spans, %d services, %s\n", tr.ID, t.Len(), len(tr.Services()), milliseconds(c.total))
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
		indent := strings.Repeat(" ", t.Depth(i))
		if q, ok := t.Queue(i); ok {
			fmt.Fprintf(&b, "%c %s %9s %9s %s\n", mark, fit(indent+"(queue wait)"), milliseconds(q.Took()), "", c.gap(q))
		}
		fmt.Fprintf(&b, "%c %s %9s %9s %s\n", mark, fit(indent+name(t.Span(i))), milliseconds(t.Took(i)), milliseconds(t.Self(i)), c.bar(i))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func name(s *trace.Span) string {
	name := s.Service + " " + s.Operation
	if peer := s.Peer(); s.Kind == trace.Client && peer != "" && !strings.ContainsAny(s.Operation, " /") {
		name += " > " + peer // HTTP clients' spans are named by the method alone
	}
	if s.Failed {
		name += " (failed)"
	}
	return name
}

// fit makes a name printable and exactly nameWidth columns wide.
func fit(name string) string {
	r := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name))
	if len(r) > nameWidth {
		r = append(r[:nameWidth-1], '…')
	}
	return string(r) + strings.Repeat(" ", nameWidth-len(r))
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// chart is what bars are drawn on.
type chart struct {
	*trace.Tree
	total time.Duration
	width int
}

// bar draws a span: each column is self time unless it waited for a child then.
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

func (c chart) gap(q trace.Queue) string {
	cells := blank(c.width)
	fill(cells, q.From, q.To, c.total, queue)
	return strings.TrimRight(string(cells), " ")
}

func blank(width int) []rune { return []rune(strings.Repeat(" ", width)) }

// fill marks every column that [from, to) touches, at least one.
func fill(cells []rune, from, to, total time.Duration, with rune) {
	first := min(column(from, total, len(cells)), len(cells)-1)
	last := max(column(to-1, total, len(cells)), first)
	for i := max(first, 0); i <= min(last, len(cells)-1); i++ {
		cells[i] = with
	}
}

// fillWhole marks the columns that [from, to) covers as a whole.
func fillWhole(cells []rune, from, to, total time.Duration, with rune) {
	first := column(from+total/time.Duration(len(cells))-1, total, len(cells))
	for i := max(first, 0); i < min(column(to, total, len(cells)), len(cells)); i++ {
		cells[i] = with
	}
}

func column(at, total time.Duration, width int) int {
	return int(float64(at) / float64(total) * float64(width))
}
