package watch

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query"
)

// Message is one state of an incident's message. Its JSON is what a webhook receives; it
// is stable.
type Message struct {
	ID        string         `json:"id"`       // of the incident
	Revision  int            `json:"revision"` // grows with each state
	State     string         `json:"state"`    // open or closed
	Sure      bool           `json:"sure"`
	Headline  string         `json:"headline"`
	URL       string         `json:"url,omitempty"` // page of the incident at the console
	Alerts    string         `json:"alerts"`        // in words
	Count     int            `json:"alert_count"`   // of rules
	Began     time.Time      `json:"began"`
	Paged     time.Time      `json:"paged"`             // noticed, by an alert or by a look
	Alerted   *time.Time     `json:"alerted,omitempty"` // the first alert of a rule arrived
	Named     *time.Time     `json:"named,omitempty"`
	Recovered *time.Time     `json:"recovered,omitempty"`
	Note      string         `json:"note,omitempty"` // why it ended, if no message said so
	Diagnosis *result.Result `json:"diagnosis,omitempty"`

	// Ref is the receiver's own name of the message, or empty before the first post.
	Ref string `json:"-"`
}

// shownAlerts is the number of different alerts that a message names.
const shownAlerts = 6

// message returns the present state.
func (i *Incident) message(ref string) Message {
	return Message{ID: i.ID, Revision: i.Revision, State: i.State, Sure: i.Named != nil, Headline: i.Headline(), Alerts: cmp.Or(i.Names(shownAlerts), "none; tenhop found it"),
		Count: i.Rules(), Began: i.Began.UTC(), Paged: i.Paged.UTC(), Alerted: i.Alerted, Named: i.Named, Recovered: i.Recovered, Note: i.Note, Diagnosis: i.Result, Ref: ref}
}

// Title returns the state, and where the incident is if that is sure.
func (m Message) Title() string {
	title := "Incident"
	if m.State == Closed {
		title = "Recovered"
	}
	if sure(m.Diagnosis) {
		title += ": " + strings.TrimSpace(render.Name(m.Diagnosis.Findings[0]))
	}
	return query.Printable(title)
}

// Times returns when the incident began, was found by a look, paged, was named and recovered,
// in UTC. Only an incident that no alert began was found.
func (m Message) Times() [][2]string {
	after := func(t *time.Time) string {
		if t == nil {
			return "not yet"
		}
		return fmt.Sprintf("%s (+%.0f s)", t.UTC().Format(time.TimeOnly), t.Sub(m.Began).Seconds())
	}
	times := [][2]string{{"Began", m.Began.UTC().Format("2006-01-02 15:04:05") + " UTC"}}
	switch {
	case m.Alerted == nil:
		times = append(times, [2]string{"Found", after(&m.Paged)}, [2]string{"Paged", "no alert"})
	case m.Alerted.After(m.Paged):
		times = append(times, [2]string{"Found", after(&m.Paged)}, [2]string{"Paged", after(m.Alerted)})
	default:
		times = append(times, [2]string{"Paged", after(&m.Paged)})
	}
	return append(times, [2]string{"Named", after(m.Named)}, [2]string{"Recovered", after(m.Recovered)})
}

// Markdown returns the message as Markdown.
func (m Message) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", escapeMarkdown(m.Title()))
	for n, t := range m.Times() {
		if n > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", strings.ToLower(t[0]), t[1])
	}
	fmt.Fprintf(&b, "\n\nalerts: %s\n\n", escapeMarkdown(m.Alerts))
	if m.URL != "" {
		fmt.Fprintf(&b, "[the incident at the console](%s)\n\n", m.URL)
	}
	if m.Note != "" {
		fmt.Fprintf(&b, "%s\n\n", escapeMarkdown(m.Note))
	}
	if m.Diagnosis == nil {
		fmt.Fprintln(&b, escapeMarkdown(m.Headline))
	} else {
		_ = render.Markdown(&b, *m.Diagnosis, render.Links{}) // into memory
	}
	return b.String()
}

// markdownEscaper takes from names that somebody else has chosen what links, mentions or begins
// HTML. An address alone is a link in many places, and a name after an @ a mention.
var markdownEscaper = strings.NewReplacer("&", "&amp;", "://", ":\\//", "www.", "www\\.", "@", "@<!-- -->", "\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_",
	"[", "\\[", "]", "\\]", "<", "&lt;", ">", "&gt;", "#", "\\#", "|", "\\|", "\n", " ")

func escapeMarkdown(s string) string { return markdownEscaper.Replace(s) }

// cut shortens s to n runes.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
