package waterfall

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/tenhop/tenhop/trace/shape"
)

// listedCalls is the number of calls that a row of sequential calls names.
const listedCalls = 4

// changes holds the names of the changes of a shape.WhatIf.
var changes = map[string]string{
	shape.Parallel:       "sequential calls side by side",
	shape.Merged:         "chatty calls merged",
	shape.ParallelMerged: "both",
	shape.OneProcess:     "no links: one process",
}

// RenderShape writes the shape of a request to w. An error is that of w.
func RenderShape(w io.Writer, s shape.Shape) error {
	var b strings.Builder
	fmt.Fprintf(&b, "trace %s: %s, %s\n%d spans, %d services, %d calls\n\n", printable(s.TraceID), printable(s.Service+" "+s.Operation), inMilliseconds(s.DurationMS), s.Spans, s.Services, s.Calls)
	queues := ""
	if s.Depth.WithQueues > s.Depth.Hops {
		queues = fmt.Sprintf("; %d with those behind queues", s.Depth.WithQueues)
	}
	fmt.Fprintf(&b, "depth   %s behind each other%s: %s\n", count(s.Depth.Hops, "hop"), queues, printable(strings.Join(s.Depth.Path, " > ")))
	t := s.Time
	fmt.Fprintf(&b, "time    %s work, %s links (%.0f %%), %s other calls: stores, brokers, services without spans\n", inMilliseconds(t.WorkMS),
		inMilliseconds(t.LinkMS), 100*t.LinkShare, inMilliseconds(t.OtherMS))
	fmt.Fprintf(&b, "path    %s on the critical path\n", count(t.CallsOnPath, "call"))
	sequential(&b, s.Sequential)
	chatty(&b, s.Chatty)
	for i, x := range s.SharedStores {
		if i == 0 {
			b.WriteString("\none database, several services (shared_store)\n")
		}
		fmt.Fprintf(&b, "  %s\n", printable(x.String()))
	}
	if len(s.WhatIf) > 0 {
		b.WriteString("\nwhat the request would take\n")
		tw := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
		fmt.Fprintf(tw, "  as it is\t%s\n", inMilliseconds(s.DurationMS))
		for _, x := range s.WhatIf {
			fmt.Fprintf(tw, "  %s\t%s\t-%s\n", changes[x.Change], inMilliseconds(x.DurationMS), inMilliseconds(x.SavedMS))
		}
		_ = tw.Flush() // a strings.Builder takes all
	}
	for i, n := range s.Notes {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "note: %s\n", printable(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func sequential(b *strings.Builder, all []shape.Sequential) {
	for i, x := range all {
		if i == 0 {
			b.WriteString("\none after another; suspected, since a trace does not show whether a call needs the answer of the one before\n")
		}
		var names []string
		switch {
		case x.Alike:
			names = []string{"each " + callName(x.Calls[0])}
		default:
			for _, c := range x.Calls[:min(len(x.Calls), listedCalls)] {
				names = append(names, fmt.Sprintf("%s %s", callName(c), inMilliseconds(c.DurationMS)))
			}
			if x.Count > listedCalls {
				names = append(names, "…")
			}
		}
		clocks := ""
		if x.Clocks {
			clocks = "; times of the callees' clocks"
		}
		fmt.Fprintf(b, "  %s: %s, gaps up to %s, side by side -%s%s\n    %s\n", printable(x.Service+" "+x.Operation), count(x.Count, "call"), inMilliseconds(x.GapMS), inMilliseconds(x.SavedMS), clocks,
			printable(strings.Join(names, ", ")))
	}
}

func chatty(b *strings.Builder, all []shape.Chatty) {
	for i, x := range all {
		if i == 0 {
			b.WriteString("\nchatty\n")
		}
		plus := ""
		if x.NPlusOne {
			plus = fmt.Sprintf(", %d of them in one hop (N+1)", x.PerHop)
		}
		links := ""
		if x.LinkMS > 0 {
			links = " of which links " + inMilliseconds(x.LinkMS)
		}
		fmt.Fprintf(b, "  %s > %s: %s, %d %s%s; %s%s, as one call per hop at most -%s\n", printable(x.Service), printable(x.Target), count(x.Calls, "call"), x.Of, shorten(printable(x.Operation)), plus,
			inMilliseconds(x.CallsMS), links, inMilliseconds(x.SavedMS))
	}
}

func callName(c shape.Call) string {
	if c.Target == "" {
		return shorten(c.Operation)
	}
	return c.Target + " " + shorten(c.Operation)
}

// shorten cuts a statement.
func shorten(s string) string {
	if r := []rune(s); len(r) > nameWidth {
		return string(r[:nameWidth-1]) + "…"
	}
	return s
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func inMilliseconds(ms float64) string { return fmt.Sprintf("%.1f ms", ms) }
