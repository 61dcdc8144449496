package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Markdown writes r as Markdown for an incident channel. An error is that of w.
func Markdown(w io.Writer, r result.Result, l Links) error {
	r = plain(r)
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", escape(Verdict(r)))
	if len(r.Findings) > 0 {
		fmt.Fprintf(&b, "\n%s mean %s → %s", code(r.Entry.Operation), ms(r.BaselineMS), ms(r.NowMS))
		if r.P95 != (result.P95{}) { // without metrics it is not known
			fmt.Fprintf(&b, ", p95 %s → %s", ms(r.P95.BaselineMS), ms(r.P95.NowMS))
		}
		fmt.Fprint(&b, "\n\n| # | hop | operation | kind | added | share | exemplar |\n|--:|---|---|---|--:|--:|---|\n")
		for _, f := range r.Findings {
			link := ""
			if len(f.Exemplars) > 0 {
				link = exemplar(r, f.Exemplars[0], l)
			}
			added := signed(f.AddedMS)
			if f.Kind == result.KindErrors {
				added = percent(f.Errors.Baseline) + " → " + percent(f.Errors.Now)
			}
			share := fmt.Sprintf("%.0f %%", 100*f.Share)
			if f.Kind != result.KindErrors && !timed(f) {
				added, share = "", ""
			}
			fmt.Fprintf(&b, "| %d | %s | %s | %s | %s | %s | %s |\n", f.Rank, escape(f.Hop), escape(f.Operation),
				strings.TrimSpace(f.Kind+" "+escape(f.Target)), added, share, link)
		}
	}
	for _, f := range r.Findings {
		for _, text := range notes(f) {
			fmt.Fprintf(&b, "\n%s: %s.\n", escape(Name(f)), escape(text))
		}
		for _, q := range f.Quotes {
			fmt.Fprintf(&b, "\n%s, %s: %s (trace %s)\n", escape(Name(f)), quoted(q), code(q.Text), code(q.TraceID))
		}
		whyMarkdown(&b, f)
	}
	if r.Few != nil {
		fewMarkdown(&b, r)
	}
	growthMarkdown(&b, r.Growth)
	for _, d := range r.Deploys {
		fmt.Fprintf(&b, "\n%s runs version %s since %s, %s before.\n",
			escape(d.Service), escape(d.Version), d.Seen.Format("15:04:05"), escape(d.Before))
	}
	for _, s := range r.Sources {
		if !s.OK {
			fmt.Fprintf(&b, "\n%s failed: %s\n", s.Name, escape(s.Error))
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "\nWarning: %s\n", escape(w))
	}
	for _, s := range r.SharedStores {
		fmt.Fprintf(&b, "\nShared store: %s\n", escape(s.String()))
	}
	fmt.Fprintf(&b, "\nWindow %s – %s, baseline %s – %s.\n", r.Window.From.Format("15:04:05"), r.Window.To.Format("15:04:05"),
		r.Baseline.From.Format("15:04:05"), r.Baseline.To.Format("15:04:05 MST"))
	_, err := io.WriteString(w, b.String())
	return err
}

// code returns a text as a code span, in which Markdown has no markup, links or
// mentions.
func code(s string) string { return "`" + strings.NewReplacer("`", "'", "\n", " ").Replace(s) + "`" }

// escaper also keeps a name from mentioning a user or an issue, and from becoming a link,
// where Markdown is posted as a comment.
var escaper = strings.NewReplacer("&", "&amp;", "://", ":\\//", "www.", "www\\.", "\\", "\\\\", "@", "@<!-- -->", "#", "\\#", "|", "\\|", "<", "&lt;", "*", "\\*", "_", "\\_", "[", "\\[", "`", "\\`", "\n", " ")

func escape(s string) string { return escaper.Replace(s) }
