package render

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/tenhop/tenhop/diagnose/result"
)

// shownParts is the maximum number of parts that Text writes.
const shownParts = 12

// few writes where requests that are too few for a verdict spent their time.
func few(b *strings.Builder, r result.Result) {
	f := r.Few
	fmt.Fprintf(b, "\n%s   ", strings.TrimSpace(r.Entry.Service+" "+r.Entry.Operation))
	switch f.Compared {
	case result.ComparedBefore:
		fmt.Fprintf(b, "mean %s -> %s   (%d requests before, %d now)\n", ms(r.BaselineMS), ms(r.NowMS), f.Requests.Baseline, f.Requests.Now)
	case result.ComparedFaster:
		fmt.Fprintf(b, "mean %s   (the slower %d requests against the faster %d)\n", ms(r.NowMS), f.Requests.Now, f.Requests.Baseline)
	default:
		if f.Requests.Now == 1 {
			fmt.Fprintf(b, "%s   trace %s\n", ms(r.NowMS), f.TraceID)
		} else {
			fmt.Fprintf(b, "mean %s   (%d requests)\n", ms(r.NowMS), f.Requests.Now)
		}
	}
	if f.OtherEntries > 0 {
		fmt.Fprintf(b, "%d other traces begin with another operation; --entry selects one\n", f.OtherEntries)
	}
	fmt.Fprintln(b)
	spent(b, f)
	if len(f.Gaps) > 0 {
		fmt.Fprintf(b, "\nlongest times without a span, in trace %s:\n", f.TraceID)
	}
	for _, g := range f.Gaps {
		fmt.Fprintf(b, "  %s %s, from %s on\n", ms(g.TookMS), gap(g), ms(g.FromMS))
	}
	if path := fromFile(r); path != "" {
		fmt.Fprintf(b, "\ndraw it: tenhop trace %s %s\n", inQuotes(path), f.TraceID)
	}
}

// fromFile returns the file that the requests of now come from, or "" if they come from
// elsewhere or from standard input.
func fromFile(r result.Result) string {
	if n := len(r.Sources); n > 0 && r.Sources[n-1].Name == "file" && r.Sources[n-1].URL != "-" {
		return r.Sources[n-1].URL
	}
	return ""
}

// spent writes the table of the parts.
func spent(b *strings.Builder, f *result.Few) {
	t := tabwriter.NewWriter(b, 2, 8, 2, ' ', 0)
	longest := 0.0
	for _, p := range f.Parts {
		longest = math.Max(longest, math.Max(p.BaselineMS, p.NowMS))
	}
	heads := map[string]string{
		result.ComparedBefore: "DIFFERENCE\tBEFORE\tNOW\tHOP\tOPERATION\tKIND\tSPANS\t",
		result.ComparedFaster: "DIFFERENCE\tFASTER\tSLOWER\tHOP\tOPERATION\tKIND\tSPANS\t",
		"":                    "TIME\tSHARE\tHOP\tOPERATION\tKIND\tSPANS\t",
	}
	fmt.Fprintln(t, heads[f.Compared])
	for _, p := range f.Parts[:min(len(f.Parts), shownParts)] {
		kind := strings.TrimSpace(p.Kind + " " + p.Target)
		if f.Compared == "" {
			fmt.Fprintf(t, "%s\t%.0f %%\t%s\t%s\t%s\t%s\t%s\n", ms(p.NowMS), 100*p.Share, p.Hop, p.Operation, kind, number(p.Spans.Now), Bar(p.NowMS, p.NowMS, longest))
			continue
		}
		spans := number(p.Spans.Now)
		if p.Spans.Baseline != p.Spans.Now {
			spans = number(p.Spans.Baseline) + " -> " + spans
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", signed(p.AddedMS), ms(p.BaselineMS), ms(p.NowMS), p.Hop, p.Operation, kind, spans, Bar(p.BaselineMS, p.NowMS, longest))
	}
	_ = t.Flush() // into memory
	if more := len(f.Parts) - shownParts; more > 0 {
		fmt.Fprintf(b, "and %d smaller ones; --json has them\n", more)
	}
}

// number formats a mean number of spans.
func number(v float64) string {
	if v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// gap returns a phrase that locates a gap.
func gap(g result.Gap) string {
	if g.Kind == result.KindLink {
		where := fmt.Sprintf("between %s and %s %s", g.Target, g.Hop, g.Operation)
		switch {
		case g.After == "" && g.Before != "":
			return where + ", before it starts"
		case g.Before == "" && g.After != "":
			return where + ", after it ends"
		}
		return where
	}
	where := fmt.Sprintf("of own time in %s %s", g.Hop, g.Operation)
	switch {
	case g.After != "" && g.Before != "":
		return fmt.Sprintf("%s, between %s and %s", where, g.After, g.Before)
	case g.Before != "":
		return where + ", before " + g.Before
	case g.After != "":
		return where + ", after " + g.After
	}
	return where
}

// fewVerdict returns the first part of requests that are too few for a verdict.
func fewVerdict(r result.Result) string {
	out := "not sure: " + r.Why
	if len(r.Few.Parts) == 0 {
		return out
	}
	p := r.Few.Parts[0]
	name := Name(result.Finding{Hop: p.Hop, Operation: p.Operation, Kind: p.Kind, Target: p.Target})
	if r.Few.Compared == "" {
		return fmt.Sprintf("%s; most of it in %s: %s of %s", out, name, ms(p.NowMS), ms(r.NowMS))
	}
	than := map[string]string{result.ComparedBefore: "before", result.ComparedFaster: "in the faster half"}[r.Few.Compared]
	return fmt.Sprintf("%s; the largest difference is in %s: %s, %s %s", out, name, ms(p.NowMS), ms(p.BaselineMS), than)
}

// fewMarkdown writes the parts as a table.
func fewMarkdown(b *strings.Builder, r result.Result) {
	fmt.Fprintf(b, "\n%s %s\n\n| hop | operation | kind | before | now | share |\n|---|---|---|--:|--:|--:|\n", escape(r.Entry.Service), escape(r.Entry.Operation))
	for _, p := range r.Few.Parts[:min(len(r.Few.Parts), shownParts)] {
		before := ""
		if r.Few.Compared != "" {
			before = ms(p.BaselineMS)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %.0f %% |\n", escape(p.Hop), escape(p.Operation),
			strings.TrimSpace(p.Kind+" "+escape(p.Target)), before, ms(p.NowMS), 100*p.Share)
	}
	for _, g := range r.Few.Gaps {
		fmt.Fprintf(b, "\n%s %s.\n", ms(g.TookMS), escape(gap(g)))
	}
}

// inQuotes returns a path as a shell reads it.
func inQuotes(path string) string {
	safe := func(c rune) bool {
		return c < utf8.RuneSelf && (unicode.IsLetter(c) || unicode.IsDigit(c)) || strings.ContainsRune("/._-+,:=@%", c)
	}
	if path != "" && strings.IndexFunc(path, func(c rune) bool { return !safe(c) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
