package waterfall

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

const (
	nameWidth  = 46
	self       = '█'
	waiting    = '░'
	queue      = '·'
	onPath     = '▸'
	barDefault = 60
)

// Render draws t. Bars are width columns wide; 60 when width is 0.
func Render(w io.Writer, t *Trace, width int) error {
	if width <= 0 {
		width = barDefault
	}
	from, to := t.Bounds()
	total := max(to.Sub(from), 1)
	services := t.Services()
	var b strings.Builder
	fmt.Fprintf(&b, "trace %s: %d spans, %d services, %s\n", t.ID, len(t.Spans), len(services), milliseconds(total))
	if t.Roots > 1 {
		fmt.Fprintf(&b, "%d spans have no parent here: the trace is not complete\n", t.Roots-1)
	}
	fmt.Fprintf(&b, "%c own work  %c waiting for a call  %c in a queue  %c critical path\n\n", self, waiting, queue, onPath)
	fmt.Fprintf(&b, "  %-*s %9s %9s\n", nameWidth, "", "total", "own")
	for _, s := range t.Spans {
		mark := ' '
		if s.Critical {
			mark = onPath
		}
		if s.Queue > 0 {
			name := strings.Repeat(" ", s.depth) + "(queue wait)"
			fmt.Fprintf(&b, "%c %s %9s %9s %s\n", mark, fit(name), milliseconds(s.Queue), "", gap(s, from, total, width))
		}
		name := strings.Repeat(" ", s.depth) + s.Service + " " + s.Operation
		if s.Kind == "client" && s.Peer != "" && !strings.ContainsAny(s.Operation, " /") {
			name += " > " + s.Peer // HTTP clients' spans are named by the method alone
		}
		if s.Failed {
			name += " (failed)"
		}
		fmt.Fprintf(&b, "%c %s %9s %9s %s\n", mark, fit(name), milliseconds(s.Duration), milliseconds(s.Self), bar(s, from, total, width))
	}
	_, err := io.WriteString(w, b.String())
	return err
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

// bar draws a span: each column is its own work unless a child ran then.
func bar(s *Span, from time.Time, total time.Duration, width int) string {
	cells := blank(width)
	fill(cells, s.Start.Sub(from), s.End().Sub(from), total, self)
	for _, c := range s.children {
		start, end := c.Start, c.End()
		if end.After(s.End()) {
			end = s.End()
		}
		if start.Before(end) {
			fillWhole(cells, start.Sub(from), end.Sub(from), total, waiting)
		}
	}
	return strings.TrimRight(string(cells), " ")
}

func gap(s *Span, from time.Time, total time.Duration, width int) string {
	cells := blank(width)
	fill(cells, s.Start.Add(-s.Queue).Sub(from), s.Start.Sub(from), total, queue)
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
