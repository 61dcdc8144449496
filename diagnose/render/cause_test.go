package render_test

import (
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
)

// TestCause writes a sure cause and the instance in the first line, and hedges others.
func TestCause(t *testing.T) {
	for _, c := range []struct {
		why         string
		cause       result.Cause
		instance    string
		first, text string // in the first line; anywhere
	}{
		{"sure", result.Cause{Kind: result.CauseThrottled, Why: "payment is throttled", Sure: true, Evidence: []result.Signal{{Signal: "throttled_seconds", Before: 0, Now: 812.345, Unit: "ms/s"}}}, "payment-2",
			"payment Charge (only payment-2): +150 ms, 90 % of the added time at POST /checkout; payment is throttled", "payment is throttled (throttled_seconds 0 -> 812 ms/s)"},
		{"not sure", result.Cause{Kind: result.CauseLock, Why: "requests wait for a lock"}, "", "at POST /checkout\n", "probably requests wait for a lock"},
		{"unknown", result.Cause{Kind: result.CauseUnknown, Why: "nothing moved"}, "", "at POST /checkout\n", "Charge: nothing moved"},
	} {
		r := result.Result{Verdict: result.Spike, Entry: result.Entry{Service: "gateway", Operation: "POST /checkout"},
			Findings: []result.Finding{{Rank: 1, Hop: "payment", Operation: "Charge", Kind: result.KindSelf, NowMS: 160, BaselineMS: 10, AddedMS: 150, Share: .9, Cause: &c.cause, Instance: c.instance}}}
		var text, md strings.Builder
		if err := render.Text(&text, r, render.Links{}); err != nil {
			t.Fatal(err)
		}
		if err := render.Markdown(&md, r, render.Links{}); err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(text.String(), "\n")
		if !strings.Contains(line+"\n", c.first) || !strings.Contains(text.String(), c.text) {
			t.Errorf("%s:\n%s\nwant %q in the first line, %q", c.why, &text, c.first, c.text)
		}
		if !strings.Contains(md.String(), strings.TrimSuffix(c.cause.Why, ".")) {
			t.Errorf("%s: not in Markdown:\n%s", c.why, &md)
		}
	}
}
