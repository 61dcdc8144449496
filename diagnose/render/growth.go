package render

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/tenhop/tenhop/diagnose/gate"
	"github.com/tenhop/tenhop/diagnose/result"
)

// textOf returns a result as text.
func textOf(r result.Result, l Links) (string, error) {
	var b strings.Builder
	err := Text(&b, r, l)
	return b.String(), err
}

// shownGrowth is the number of parts of a growth that are written unless more grew.
const shownGrowth = 8

// growth writes the comparison of the rounds of two versions as a table.
func growth(b *strings.Builder, g *result.Growth) {
	if g == nil {
		return
	}
	if g.Why != "" {
		fmt.Fprintf(b, "\n%s not compared: %s\n", versions(g), g.Why)
		return
	}
	fmt.Fprintf(b, "\n%s: time per request, %d rounds of each, %d and %d requests\n\n", versions(g), g.Rounds, g.Requests.Baseline, g.Requests.Now)
	t := tabwriter.NewWriter(b, 2, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ADDED\tNOISE\tBEFORE\tNOW\tHOP\tOPERATION\tKIND\t")
	shown := growthShown(g)
	for _, p := range g.Parts[:shown] {
		mark := ""
		if p.Grew {
			mark = "grew"
		}
		fmt.Fprintf(t, "%s\t± %s\t%s\t%s\t%s\t%s\t%s\t%s\n", signed(p.AddedMS), ms(p.NoiseMS), ms(p.BaselineMS), ms(p.NowMS), p.Hop, operationOf(p), strings.TrimSpace(p.Kind+" "+p.Target), mark)
	}
	_ = t.Flush() // into memory
	if more := len(g.Parts) - shown + g.Left; more > 0 {
		fmt.Fprintf(b, "and %d that did not grow; --output json has them\n", more)
	}
	if len(g.LeftOut) > 0 {
		fmt.Fprintf(b, "not compared, for want of rounds with requests of both versions: %s\n", strings.Join(g.LeftOut, ", "))
	}
	if v := g.Versions; v != nil && v.Mixed > 0 {
		fmt.Fprintf(b, "%d requests in which both versions took part are left out\n", v.Mixed)
	}
}

// growthShown returns the number of parts that are written.
func growthShown(g *result.Growth) int { return min(max(shownGrowth, len(g.Grew())), len(g.Parts)) }

func operationOf(p result.GrowthPart) string {
	if p.Operation == "" {
		return "(of one version only)"
	}
	return p.Operation
}

// versions returns what is compared.
func versions(g *result.Growth) string {
	if v := g.Versions; v != nil {
		return fmt.Sprintf("%s %s (before) and %s (now)", v.Service, v.Stable, v.Canary)
	}
	return "before and now"
}

// growthMarkdown writes the comparison as a table.
func growthMarkdown(b *strings.Builder, g *result.Growth) {
	if g == nil {
		return
	}
	if g.Why != "" {
		fmt.Fprintf(b, "\n%s not compared: %s.\n", escape(versions(g)), escape(g.Why))
		return
	}
	fmt.Fprintf(b, "\nTime per request of %s, %d rounds of each:\n\n", escape(versions(g)), g.Rounds)
	fmt.Fprint(b, "| hop | operation | kind | before | now | added | noise | |\n|---|---|---|--:|--:|--:|--:|---|\n")
	shown := growthShown(g)
	for _, p := range g.Parts[:shown] {
		mark := ""
		if p.Grew {
			mark = "**grew**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | ± %s | %s |\n", escape(p.Hop), escape(operationOf(p)), strings.TrimSpace(p.Kind+" "+escape(p.Target)),
			ms(p.BaselineMS), ms(p.NowMS), signed(p.AddedMS), ms(p.NoiseMS), mark)
	}
	if more := len(g.Parts) - shown + g.Left; more > 0 {
		fmt.Fprintf(b, "\n%d others did not grow.\n", more)
	}
	if len(g.LeftOut) > 0 {
		fmt.Fprintf(b, "\nNot compared, for want of rounds with requests of both versions: %s.\n", escape(strings.Join(g.LeftOut, ", ")))
	}
}

// Summary writes the outcome of checks and r as Markdown, for the job summary of a
// pipeline or a comment on a change. An error is that of w.
func Summary(w io.Writer, r result.Result, checks []gate.Check, l Links) error {
	var b strings.Builder
	checks = plain(checks)
	if len(checks) > 0 {
		found := gate.Found(checks)
		switch {
		case len(found) > 0:
			fmt.Fprint(&b, "### Failed\n\n")
		case undecided(checks):
			fmt.Fprint(&b, "### Undecided\n\n")
		default:
			fmt.Fprint(&b, "### Passed\n\n")
		}
		for _, c := range checks {
			if c.Outcome == gate.Passed && c.Condition == gate.Growth {
				continue // in the table
			}
			fmt.Fprintf(&b, "- %s %s: %s\n", c.Condition, c.Outcome, escape(strings.TrimPrefix(c.Name+": "+c.Text, ": ")))
		}
		fmt.Fprintln(&b)
	}
	if err := Markdown(&b, r, l); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func undecided(checks []gate.Check) bool {
	for _, c := range checks {
		if c.Outcome == gate.Undecided {
			return true
		}
	}
	return false
}
