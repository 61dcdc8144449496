package drill

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteTable writes rounds as a text table with a summary. An error is that of w.
func WriteTable(w io.Writer, rounds []Round) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(header, "\t"))
	for _, r := range rounds {
		fmt.Fprintln(t, strings.Join(r.cells(), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, Summary(rounds))
	return err
}

// WriteMarkdown writes rounds as a Markdown report. An error is that of w.
func WriteMarkdown(w io.Writer, rounds []Round) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Drill report\n\n%s\n\n| %s |\n|%s\n", Summary(rounds), strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for _, r := range rounds {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r.cells(), " | "))
	}
	b.WriteString("\nSeconds count from the injection, `recovered` from the lifting.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

var header = []string{"round", "injected", "answer", "right", "moved", "alerted", "answered", "lifted", "recovered"}

func (r Round) cells() []string {
	var a answer
	said := "none"
	if json.Unmarshal(r.Answer, &a) == nil && a.found() {
		top := a.Findings[0]
		said = strings.TrimSpace(fmt.Sprintf("%s %s %s %s", top.Hop, top.Operation, top.Kind, top.Target))
	} else if a.Verdict != "" {
		said = a.Verdict
	}
	var wrong []string
	for field, right := range map[string]bool{"hop": r.RightHop, "operation": r.RightOperation, "kind": r.RightKind} {
		if !right {
			wrong = append(wrong, field)
		}
	}
	slices.Sort(wrong)
	right := "yes"
	if len(wrong) > 0 {
		right = "not " + strings.Join(wrong, ", ")
	}
	return []string{fmt.Sprint(r.Round), r.Fault.Hop + " " + r.Fault.Operation, said, right,
		seconds(r.Seconds.Moved), seconds(r.Seconds.Alerted), seconds(r.Seconds.Answered), seconds(r.Seconds.Lifted), seconds(r.Seconds.Recovered)}
}

// Summary returns one line about all rounds: right answers, median time to the answer, and
// how often the predicted interval held the p95.
func Summary(rounds []Round) string {
	right, foreseen, inside := 0, 0, 0
	var answered []float64
	for _, r := range rounds {
		if r.Foreseen != nil {
			foreseen++
			if r.Foreseen.Inside {
				inside++
			}
		}
		if r.Right() {
			right++
		}
		if r.Seconds.Answered != nil {
			answered = append(answered, *r.Seconds.Answered)
		}
	}
	line := fmt.Sprintf("%d of %d right", right, len(rounds))
	if len(answered) > 0 {
		slices.Sort(answered)
		line += fmt.Sprintf("; median time to the answer %.1f s", answered[len(answered)/2])
	}
	if foreseen > 0 {
		line += fmt.Sprintf("; the p95 after recovery was in the predicted interval in %d of %d", inside, foreseen)
	}
	return line
}

func seconds(s *float64) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f s", *s)
}
