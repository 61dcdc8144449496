package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/tenhop/tenhop/drill"
)

var header = []string{"round", "injected", "answer", "right", "felt", "paged", "answered", "lifted", "recovered"}

// verdict returns whether a round is right, in a few words.
func verdict(r drill.Round) string {
	switch wrong := r.Wrong(); {
	case r.Void != "":
		return "void: " + r.Void
	case len(wrong) == 0:
		return "yes"
	case r.Half:
		return "half: one of the faults is named; not " + strings.Join(wrong, ", ")
	case r.GaveUp:
		return "no: gave up"
	default:
		return "not " + strings.Join(wrong, ", ")
	}
}

func cells(r drill.Round) []string {
	out := []string{fmt.Sprint(r.Round), r.Fault.String(), words(r.Said(), len(r.Fault.Expect)), verdict(r)}
	s := r.Seconds
	for _, v := range []*float64{s.Moved, s.Alerted, s.Answered, s.Lifted, s.Recovered} {
		if v == nil {
			out = append(out, "-")
		} else {
			out = append(out, seconds(*v))
		}
	}
	if s.Penalty != nil && s.Answered != nil {
		out[6] += fmt.Sprintf(" + %.0f s", *s.Penalty)
	}
	return out
}

// table is a titled table of a report.
type table struct {
	title  string
	header []string
	rows   [][]string
}

// summaries returns the tables about all rounds together.
func summaries(rounds []drill.Round) []table {
	kinds := table{"By kind of fault", []string{"fault", "rounds", "void", "right", "hop", "operation", "instance", "cause", "attribute", "median answer", "p90 answer", "median recovery"}, nil}
	for _, g := range append(groups(rounds, byKind), whole(rounds)) {
		kinds.rows = append(kinds.rows, []string{g.Name, fmt.Sprint(g.Rounds), fmt.Sprint(g.Void), g.All.String(), g.Hop.String(), g.Operation.String(),
			g.Instance.String(), g.Cause.String(), g.Attribute.String(), g.Answered(), g.Answered90(), g.Recovered()})
	}
	times := table{"Times", []string{"from → to", "rounds", "median", "p90"}, nil}
	for _, p := range phases(rounds) {
		times.rows = append(times.rows, []string{p.Name, fmt.Sprint(p.N()), seconds(p.Median()), seconds(p.P90())})
	}
	out := []table{kinds, times}
	if all := rankers(rounds); len(all) > 1 {
		t := table{"The right hop, by method", []string{"method", "right hop"}, nil}
		for _, r := range all {
			t.rows = append(t.rows, []string{r.Method, r.Hop.String()})
		}
		out = append(out, t)
	}
	return out
}

// misses returns a table of the rounds with a wrong answer, and one of the void rounds.
func misses(rounds []drill.Round) (wrong, void table) {
	wrong = table{"Misses", []string{"round", "injected", "answer", "right", "why it said so"}, nil}
	void = table{"Void rounds", []string{"round", "injected", "answer", "reason"}, nil}
	for _, r := range rounds {
		switch a := r.Said(); {
		case r.Void != "":
			void.rows = append(void.rows, []string{fmt.Sprint(r.Round), r.Fault.String(), words(a, len(r.Fault.Expect)), r.Void})
		case !r.Right():
			why := a.Why
			if r.Error != "" {
				why = strings.TrimSuffix(r.Error+"; "+why, "; ")
			}
			wrong.rows = append(wrong.rows, []string{fmt.Sprint(r.Round), r.Fault.String(), words(a, len(r.Fault.Expect)), verdict(r), why})
		}
	}
	return wrong, void
}

// WriteTable writes rounds as text tables with a summary. An error is that of w.
func WriteTable(w io.Writer, rounds []drill.Round) error {
	t := table{"", header, nil}
	for _, r := range rounds {
		t.rows = append(t.rows, cells(r))
	}
	return writeText(w, rounds, append([]table{t}, summaries(rounds)...))
}

// WriteSummary writes the tables about all rounds as text, with the misses in place of the
// single rounds. An error is that of w.
func WriteSummary(w io.Writer, rounds []drill.Round) error {
	wrong, void := misses(rounds)
	return writeText(w, rounds, append(summaries(rounds), wrong, void))
}

func writeText(w io.Writer, rounds []drill.Round, tables []table) error {
	var b strings.Builder
	for _, t := range tables {
		if len(t.rows) == 0 {
			continue
		}
		if t.title != "" {
			fmt.Fprintf(&b, "\n%s\n", t.title)
		}
		out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range append([][]string{t.header}, t.rows...) {
			fmt.Fprintln(out, strings.Join(row, "\t"))
		}
		_ = out.Flush() // b does not fail
	}
	fmt.Fprintf(&b, "\n%s\n", Summary(rounds))
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

// WriteMarkdown writes rounds as a Markdown report. An error is that of w.
func WriteMarkdown(w io.Writer, rounds []drill.Round) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Drill report\n\n%s.\n", Summary(rounds))
	all := table{"Rounds", header, nil}
	for _, r := range rounds {
		all.rows = append(all.rows, cells(r))
	}
	wrong, void := misses(rounds)
	for _, t := range append(summaries(rounds), wrong, void, all) {
		t.markdown(&b, "##")
	}
	b.WriteString("\nSeconds count from the injection, `recovered` in the last table from the lifting. Void rounds do not count.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMisses writes the summary, the misses and the void rounds as sections of a Markdown
// page. An error is that of w.
func WriteMisses(w io.Writer, rounds []drill.Round) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n", Summary(rounds))
	wrong, void := misses(rounds)
	for _, t := range append(summaries(rounds), wrong, void) {
		t.markdown(&b, "###")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown writes a table that has rows.
func (t table) markdown(b *strings.Builder, level string) {
	if len(t.rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s %s\n\n| %s |\n|%s\n", level, t.title, strings.Join(t.header, " | "), strings.Repeat("---|", len(t.header)))
	for _, row := range t.rows {
		var escaped []string
		for _, c := range row {
			escaped = append(escaped, strings.NewReplacer("|", `\|`, "\n", " ").Replace(c))
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(escaped, " | "))
	}
}

// Summary returns one line about all rounds: right answers, the median time to the answer,
// and how often the predicted interval held the p95.
func Summary(rounds []drill.Round) string {
	g := whole(rounds)
	line := fmt.Sprintf("%d of %d right", g.All.Right, g.All.All)
	if g.Void > 0 {
		line += fmt.Sprintf("; %d void", g.Void)
	}
	if len(g.answered) > 0 {
		line += "; median time to the answer " + g.Answered()
	}
	if len(g.recovered) > 0 {
		line += ", to the recovery " + g.Recovered()
	}
	foreseen, inside, half := 0, 0, 0
	for _, r := range rounds {
		if r.Void != "" {
			continue
		}
		if r.Half {
			half++
		}
		if r.Foreseen != nil {
			foreseen++
			if r.Foreseen.Inside {
				inside++
			}
		}
	}
	if half > 0 {
		line += fmt.Sprintf("; %d of the wrong are half right", half)
	}
	if foreseen > 0 {
		line += fmt.Sprintf("; the p95 after recovery was in the predicted interval in %d of %d", inside, foreseen)
	}
	return line
}
