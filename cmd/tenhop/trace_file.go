package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
	"github.com/tenhop/tenhop/trace/shape"
	"github.com/tenhop/tenhop/waterfall"
)

// isFile reports whether an argument names a file of traces rather than a trace.
func isFile(arg string) bool {
	if arg == file.Stdin {
		return true
	}
	_, err := os.Stat(arg)
	return err == nil || len(file.Matches(arg)) > 0
}

// fileArgs divides the arguments into files and the ID of a trace in them, which may
// be "".
func fileArgs(args []string) (paths []string, id string, err error) {
	for _, a := range args {
		switch {
		case isFile(a):
			paths = append(paths, a)
		case id != "":
			return nil, "", usagef("%q and %q: neither is a file; give files, then at most one trace ID", id, a)
		default:
			id = a
		}
	}
	return paths, id, nil
}

// summary describes one trace of a file.
type summary struct {
	TraceID    string    `json:"trace_id"`
	Service    string    `json:"service"`
	Operation  string    `json:"operation"`
	Start      time.Time `json:"start"`
	DurationMS float64   `json:"duration_ms"` // of the request
	Spans      int       `json:"spans"`
	Services   int       `json:"services"`
	Failed     bool      `json:"failed"` // a span of it failed

	took time.Duration // that --slowest compares
}

// listed is the maximum number of traces that are listed, the slowest first.
const listed = 100

// fromFiles draws a trace of the files, or lists their traces.
func (f traceFlags) fromFiles(ctx context.Context, out, errOut io.Writer, paths []string, id string) error {
	var chosen *trace.Trace
	var all []summary
	n := 0
	wanted := func(t *trace.Trace) bool {
		return (f.service == "" && f.operation == "" || f.took(t) > 0) && (f.correlation == "" || hasCorrelation(t, f.correlation))
	}
	assemble := trace.NewAssembler(func(t trace.Trace) {
		if len(t.Spans) == 0 || !wanted(&t) {
			return
		}
		n++
		s := summarise(&t)
		s.took = f.took(&t)
		if chosen == nil || s.took > f.took(chosen) {
			chosen = &t
		}
		if all = append(all, s); len(all) >= 2*listed {
			all = slowestFirst(all)
		}
	})
	var failed []error
	for _, path := range paths {
		_, err := file.Read(ctx, path, func(traceID string, s trace.Span) {
			if id == "" || sameID(traceID, id) {
				assemble.Add(traceID, s)
			}
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	assemble.Flush()
	if n == 0 {
		return errors.Join(append(failed, f.noneInFiles(id))...)
	}
	for _, err := range failed {
		fmt.Fprintf(errOut, "not all of it could be read: %v\n", err)
	}
	if f.list || n > 1 && id == "" && !f.slowest {
		return f.writeList(out, slowestFirst(all), n)
	}
	return f.draw(out, chosen)
}

// noneInFiles returns the error for files without the trace that is asked for.
func (f traceFlags) noneInFiles(id string) error {
	switch {
	case id != "":
		return fmt.Errorf("trace %w: the files have none with the ID %s; --list shows those they have", query.ErrNotFound, id)
	case f.correlation != "":
		return fmt.Errorf("trace %w: none in the files has the correlation ID %s", query.ErrNotFound, f.correlation)
	case f.service != "" || f.operation != "":
		return fmt.Errorf("trace %w: none in the files has a span of %s", query.ErrNotFound, strings.TrimSpace(f.service+" "+f.operation))
	}
	return errors.New("no traces were read")
}

// sameID compares two trace IDs. Some programs leave out leading zeros.
func sameID(a, b string) bool {
	return a == b || strings.EqualFold(strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0"))
}

// correlationKeys are the attributes that hold a correlation ID.
var correlationKeys = []string{"correlation_id", "correlation.id"}

func hasCorrelation(t *trace.Trace, id string) bool {
	return slices.ContainsFunc(t.Spans, func(s trace.Span) bool {
		return slices.ContainsFunc(correlationKeys, func(k string) bool { return s.Attributes[k] == id })
	})
}

func summarise(t *trace.Trace) summary {
	root := t.Root()
	return summary{TraceID: t.ID, Service: root.Service, Operation: root.Operation, Start: root.Start,
		DurationMS: float64(root.Duration) / float64(time.Millisecond), Spans: len(t.Spans), Services: len(t.Services()),
		Failed: slices.ContainsFunc(t.Spans, func(s trace.Span) bool { return s.Failed })}
}

// slowestFirst returns the slowest traces, at most listed of them.
func slowestFirst(all []summary) []summary {
	slices.SortStableFunc(all, func(x, y summary) int { return cmp.Compare(y.took, x.took) })
	return all[:min(len(all), listed)]
}

func (f traceFlags) writeList(out io.Writer, all []summary, n int) error {
	if f.json {
		return writeJSON(out, all)
	}
	t := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(t, "TRACE\tDURATION\tSPANS\tSERVICES\tSTART\tREQUEST")
	for _, s := range all {
		failed := ""
		if s.Failed {
			failed = " (failed)"
		}
		fmt.Fprintf(t, "%s\t%.1f ms\t%d\t%d\t%s\t%s\n", printable(s.TraceID), s.DurationMS, s.Spans, s.Services,
			s.Start.UTC().Format("2006-01-02 15:04:05.000"), printable(s.Service+" "+s.Operation)+failed)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n > len(all) {
		fmt.Fprintf(out, "the slowest %d of %d traces\n", len(all), n)
	}
	_, err := fmt.Fprintln(out, "\ndraw one with its ID after the file, or the slowest with --slowest")
	return err
}

// draw writes one trace, or its shape.
func (f traceFlags) draw(out io.Writer, t *trace.Trace) error {
	switch {
	case f.shape && f.json:
		return writeJSON(out, shape.Of(t))
	case f.shape:
		return waterfall.RenderShape(out, shape.Of(t))
	}
	if f.json {
		return writeJSON(out, waterfall.Describe(t))
	}
	return waterfall.Render(out, t, f.width)
}

// printable replaces what a terminal might obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
