// Package render writes the result of a diagnosis as text for a terminal and as
// Markdown. Control characters in names are replaced.
package render

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Links holds the addresses for references to traces. Without either, a reference is
// the command `tenhop trace ID`.
type Links struct {
	Traces string // base URL of a web page with traces: Jaeger or the console
	Flags  string // flags of that command, such as "--jaeger URL", if Traces is empty
}

// Text writes r as text for a terminal: the verdict, then a table of findings with
// bars, then details and sources. An error is that of w.
func Text(w io.Writer, r result.Result, l Links) error {
	r = plain(r)
	var b strings.Builder
	fmt.Fprintln(&b, Verdict(r))
	if r.Why != "" && r.Verdict != result.Unsure {
		fmt.Fprintln(&b, r.Why)
	}
	if r.Errors != nil {
		fmt.Fprintf(&b, "\n%s   %s of the requests fail, %s before\n", r.Entry.Operation, percent(r.Errors.Now), percent(r.Errors.Baseline))
	}
	if r.Few == nil && r.Entry.Operation != "" && r.Verdict != result.None {
		fmt.Fprintf(&b, "\n%s   mean %s -> %s", r.Entry.Operation, ms(r.BaselineMS), ms(r.NowMS))
		if r.P95 != (result.P95{}) { // without metrics, quantiles has it
			fmt.Fprintf(&b, "   p95 %s -> %s", ms(r.P95.BaselineMS), ms(r.P95.NowMS))
		}
		fmt.Fprintf(&b, "   (%d requests before, %d now)\n", r.Requests.Baseline, r.Requests.Now)
	}
	if len(r.Findings) > 0 {
		fmt.Fprintln(&b)
		table(&b, r)
	}
	for _, f := range r.Findings {
		why(&b, f)
	}
	if r.Few != nil {
		few(&b, r)
	}
	quantiles(&b, r)
	growth(&b, r.Growth)
	for _, d := range r.Deploys {
		fmt.Fprintf(&b, "\n%s runs version %s since %s, %s before\n", d.Service, d.Version, d.Seen.Format("15:04:05"), d.Before)
	}
	if len(r.OtherEntries) > 0 {
		fmt.Fprintf(&b, "\nalso slower:")
		for _, e := range r.OtherEntries {
			fmt.Fprintf(&b, "  %s%s +%s", e.Operation, flow(e), ms(e.AddedMS))
		}
		fmt.Fprintln(&b)
	}
	if len(r.Findings) > 0 && len(r.Findings[0].Exemplars) > 0 {
		fmt.Fprintf(&b, "\nsee one request: %s\n", exemplar(r, r.Findings[0].Exemplars[0], l))
	}
	evidence(&b, r)
	if r.IncompleteTraces > 0 {
		fmt.Fprintf(&b, "\n%s left out: spans of them are missing or had not arrived\n", traces(r.IncompleteTraces))
	}
	for _, s := range r.Sources {
		switch {
		case s.OK:
		case s.Read > 0:
			fmt.Fprintf(&b, "\na part of %s was not read: %s\n", s.Name, s.Error)
		default:
			fmt.Fprintf(&b, "\n%s failed, the result rests on the other sources: %s\n", s.Name, s.Error)
		}
	}
	for _, s := range r.Sources {
		if s.Note != "" {
			fmt.Fprintf(&b, "\n%s: %s\n", s.Name, s.Note)
		}
	}
	fmt.Fprintf(&b, "\ntook %.0f ms", r.TookMS)
	for _, s := range r.Sources {
		fmt.Fprintf(&b, ", %s %.0f ms for %d %s", s.Name, s.TookMS, s.Read, read(s))
	}
	fmt.Fprintln(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// evidence writes which evidence decided, what it holds of the last seconds, the spike
// that is over, and warnings.
func evidence(b *strings.Builder, r result.Result) {
	if p := r.Past; p != nil {
		fmt.Fprintf(b, "\nover since %s: mean %s from %s to %s", p.To.Format("15:04:05"), ms(p.MeanMS), p.From.Format("15:04:05"), p.To.Format("15:04:05"))
		if p.Entry != "" {
			fmt.Fprintf(b, " at %s", p.Entry)
		}
		if p.What != "" {
			fmt.Fprintf(b, "; %s", p.What)
		}
		fmt.Fprintln(b)
	}
	if n := r.Recent; n != nil {
		fmt.Fprintf(b, "\ndecided by %s; of the last %.0f s there are", decided(r.DecidedBy), n.Seconds)
		if r.ResolutionS > 0 {
			fmt.Fprintf(b, " %d requests (steps of %g s)", n.Requests, r.ResolutionS)
			if n.Traces > 0 {
				fmt.Fprint(b, " and")
			}
		}
		if n.Traces > 0 || r.ResolutionS == 0 {
			fmt.Fprintf(b, " %d traces", n.Traces)
		}
		fmt.Fprintf(b, "; the newest data are %.0f s old\n", n.AgeS)
	}
	if n := r.Minority; n != nil && len(n.Phases) > 1 {
		fmt.Fprint(b, "\nslow phases:")
		for _, p := range n.Phases {
			fmt.Fprintf(b, " %s to %s", p.From.Format("15:04:05"), p.To.Format("15:04:05"))
		}
		fmt.Fprintln(b)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(b, "\nwarning: %s\n", w)
	}
	for _, s := range r.SharedStores {
		fmt.Fprintf(b, "\nshared store: %s\n", s)
	}
}

// decided returns Result.DecidedBy in words.
func decided(by string) string {
	if by == result.DecidedByBoth {
		return "metrics and traces"
	}
	return by
}

// traces returns a number of traces in words.
func traces(n int) string {
	if n == 1 {
		return "1 trace is"
	}
	return fmt.Sprintf("%d traces are", n)
}

// read returns the unit of Source.Read.
func read(s result.Source) string {
	switch s.Name {
	case "prometheus":
		return "series"
	case "pprof":
		return "profiles"
	case "flight":
		return "kinds of own time"
	case "loki":
		return "log lines"
	}
	return "traces"
}

func table(b *strings.Builder, r result.Result) {
	t := tabwriter.NewWriter(b, 2, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\tADDED\tSHARE\tHOP\tOPERATION\tKIND\tBEFORE\tNOW\t█ before ░ added")
	longest := 1.0
	for _, f := range r.Findings {
		longest = math.Max(longest, f.NowMS)
	}
	for _, f := range r.Findings {
		kind := f.Kind
		if f.Target != "" {
			kind += " " + f.Target
		}
		if f.Kind == result.KindErrors {
			fmt.Fprintf(t, "%d\t%s\t%.0f %%\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Rank, f.Errors.Type, 100*f.Share, f.Hop, f.Operation, kind,
				percent(f.Errors.Baseline), percent(f.Errors.Now), Bar(f.Errors.Baseline, f.Errors.Now, 1))
			continue
		}
		if !timed(f) {
			fmt.Fprintf(t, "%d\t\t\t%s\t%s\t%s\t\t\t\n", f.Rank, f.Hop, f.Operation, kind)
			continue
		}
		fmt.Fprintf(t, "%d\t%s\t%.0f %%\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Rank, signed(f.AddedMS), 100*f.Share, f.Hop, f.Operation, kind,
			ms(f.BaselineMS), ms(f.NowMS), Bar(f.BaselineMS, f.NowMS, longest))
	}
	_ = t.Flush() // into memory
	for _, f := range r.Findings {
		if f.Evidence != "" {
			fmt.Fprintf(b, "   %s: %s\n", Name(f), f.Evidence)
		}
		details(b, f)
		for _, h := range f.Profile {
			before := ""
			if h.Compared {
				before = fmt.Sprintf(", %s/s before", ms(h.BeforeMS))
			}
			fmt.Fprintf(b, "   %s: %s %s %s/s%s\n", f.Hop, h.Function, h.Type, ms(h.NowMS), before)
		}
		for _, a := range f.Attributes {
			which := "slow"
			if f.Kind == result.KindErrors {
				which = "failed"
			}
			fmt.Fprintf(b, "   %s: %s requests have %s=%s %.1f times as often\n", cmp.Or(f.Hop, r.Entry.Service), which, a.Key, a.Value, a.Lift)
		}
	}
}

// details writes the cause of a finding, the entry and the branch that it belongs to,
// and quotes.
func details(b *strings.Builder, f result.Finding) {
	for _, text := range notes(f) {
		fmt.Fprintf(b, "   %s: %s\n", Name(f), text)
	}
	for _, q := range f.Quotes {
		fmt.Fprintf(b, "   %s: %s %q (trace %s)\n", Name(f), quoted(q), q.Text, q.TraceID)
	}
}

// notes returns sentences about a finding.
func notes(f result.Finding) (out []string) {
	if f.Instance != "" && f.Rank > 1 { // the first line has that of the first
		out = append(out, "only its instance "+f.Instance)
	}
	if c := f.Cause; c != nil {
		sure := ""
		if !c.Sure && !open(c.Kind) {
			sure = "probably "
		}
		out = append(out, sure+c.Why+measured(c.Evidence))
	}
	if f.Entry != "" {
		out = append(out, "its share is of the added time at "+f.Entry)
	}
	if o := f.OffPath; o != nil {
		out = append(out, fmt.Sprintf("%s more beside the critical path; without the other findings requests would still take %s longer",
			ms(o.AddedMS), ms(o.RemainsMS)))
	}
	return out
}

// measured returns the evidence of a cause in parentheses, or "".
func measured(evidence []result.Signal) string {
	var parts []string
	for _, s := range evidence {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s -> %s %s", s.Signal, digits(s.Before), digits(s.Now), s.Unit)))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// digits returns a value with about three digits.
func digits(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// quoted introduces a quote.
func quoted(q result.Quote) string {
	switch q.Source {
	case result.QuoteStatus:
		return "status"
	case result.QuoteLog:
		return "logs"
	}
	return q.Source
}

// minBand is the minimum number of traces of a quantile that is printed.
const minBand = 5

// quantiles writes the split of p50, p95 and p99, and the p95 without the first
// findings.
func quantiles(b *strings.Builder, r result.Result) {
	begun := false
	begin := func() {
		if !begun {
			fmt.Fprintln(b)
		}
		begun = true
	}
	for _, q := range r.Quantiles {
		if min(q.Requests.Baseline, q.Requests.Now) < minBand {
			continue // --json has it
		}
		begin()
		fmt.Fprintf(b, "p%.0f  %s -> %s", 100*q.Quantile, ms(q.BaselineMS), ms(q.NowMS))
		for i, p := range q.Parts[:min(len(q.Parts), 3)] {
			sep := ", "
			if i == 0 {
				sep = "   "
			}
			fmt.Fprintf(b, "%s%s %.0f %%", sep, Name(result.Finding{Hop: p.Hop, Kind: p.Kind, Target: p.Target}), 100*p.Share)
		}
		fmt.Fprintf(b, "   (%d and %d traces)\n", q.Requests.Baseline, q.Requests.Now)
	}
	for _, f := range r.Findings {
		if p := f.CounterfactualP95; p != nil && len(r.Quantiles) > 0 {
			begin()
			fmt.Fprintf(b, "without what %s added, p95 would be %s to %s\n", Name(f), ms(p[0]), ms(p[1]))
		}
	}
}

// barWidth is the length of the longest bar, in characters.
const barWidth = 24

// Bar returns a bar of at most 24 characters: a solid part for before and a shaded part
// for the growth from before to now. longest is the value of the longest bar. All three
// have the same unit.
func Bar(before, now, longest float64) string {
	if longest <= 0 {
		return ""
	}
	cells := func(v float64) int { return int(math.Round(math.Max(v, 0) / longest * barWidth)) }
	solid := cells(math.Min(before, now))
	return strings.Repeat("█", solid) + strings.Repeat("░", max(cells(now)-solid, 0))
}

func ms(v float64) string {
	if v >= 100 || v == 0 {
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.1f ms", v)
}

func signed(v float64) string {
	if v >= 0 {
		return "+" + ms(v)
	}
	return "-" + ms(-v)
}

// exemplar returns the command or the URL that shows a trace.
func exemplar(r result.Result, id string, l Links) string {
	if l.Traces == "" {
		if path := fromFile(r); path != "" {
			return "tenhop trace " + inQuotes(path) + " " + id
		}
		return strings.TrimSuffix("tenhop trace "+id+" "+l.Flags, " ")
	}
	return strings.TrimSuffix(l.Traces, "/") + "/trace/" + id
}
