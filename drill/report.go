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
	writeByFault(&b, rounds)
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
		said = strings.Join(strings.Fields(strings.Join([]string{top.Hop, top.Operation, top.Kind, top.Target, top.Instance, top.Cause.Kind}, " ")), " ")
	} else if a.Verdict != "" {
		said = a.Verdict
	}
	marks := map[string]bool{"hop": r.RightHop, "operation": r.RightOperation, "kind": r.RightKind}
	if r.RightInstance != nil {
		marks["instance"] = *r.RightInstance
	}
	if r.RightCause != nil {
		marks["cause"] = *r.RightCause
	}
	var wrong []string
	for field, right := range marks {
		if !right {
			wrong = append(wrong, field)
		}
	}
	slices.Sort(wrong)
	right := "yes"
	if len(wrong) > 0 {
		right = "not " + strings.Join(wrong, ", ")
	}
	if r.Void != "" {
		right = "void: " + r.Void
	}
	return []string{fmt.Sprint(r.Round), r.Fault.String(), said, right,
		seconds(r.Seconds.Moved), seconds(r.Seconds.Alerted), seconds(r.Seconds.Answered), seconds(r.Seconds.Lifted), seconds(r.Seconds.Recovered)}
}

// Wrong returns the number of rounds with a wrong answer. Void rounds do not count.
func Wrong(rounds []Round) int {
	n := 0
	for _, r := range rounds {
		if r.Void == "" && !r.Right() {
			n++
		}
	}
	return n
}

// writeByFault writes how often the parts of the answers are right, by kind of fault, as a
// Markdown table.
func writeByFault(b *strings.Builder, rounds []Round) {
	b.WriteString("\n| fault | rounds | void | hop | operation | instance | cause | median answer | p90 answer |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	kinds := append(Kinds(), "all")
	for _, kind := range kinds {
		var hop, operation, instance, cause tally
		var answered []float64
		all, void := 0, 0
		for _, r := range rounds {
			if r.Fault.Kind != kind && kind != "all" {
				continue
			}
			all++
			if r.Void != "" {
				void++
				continue
			}
			hop.add(r.RightHop)
			if r.Fault.Operation != "" {
				operation.add(r.RightOperation)
			}
			if r.RightInstance != nil {
				instance.add(*r.RightInstance)
			}
			if r.RightCause != nil {
				cause.add(*r.RightCause)
			}
			if r.Seconds.Answered != nil && r.RightHop {
				answered = append(answered, *r.Seconds.Answered)
			}
		}
		if all == 0 {
			continue
		}
		slices.Sort(answered)
		fmt.Fprintf(b, "| %s | %d | %d | %s | %s | %s | %s | %s | %s |\n", kind, all, void, hop, operation, instance, cause,
			quantile(answered, 0.5), quantile(answered, 0.9))
	}
}

// tally counts right answers.
type tally struct{ right, all int }

func (t *tally) add(right bool) {
	t.all++
	if right {
		t.right++
	}
}

// String returns "3 of 4", or "-" without answers.
func (t tally) String() string {
	if t.all == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d", t.right, t.all)
}

// quantile returns the quantile q of sorted seconds, or "-" without any.
func quantile(sorted []float64, q float64) string {
	if len(sorted) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s", sorted[int(q*float64(len(sorted)-1)+0.5)])
}

// Summary returns one line about all rounds: right answers, median time to the answer, and
// how often the predicted interval held the p95.
func Summary(rounds []Round) string {
	right, void, foreseen, inside := 0, 0, 0, 0
	var answered []float64
	for _, r := range rounds {
		if r.Void != "" {
			void++
			continue
		}
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
	line := fmt.Sprintf("%d of %d right", right, len(rounds)-void)
	if void > 0 {
		line += fmt.Sprintf("; %d void", void)
	}
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
