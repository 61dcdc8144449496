package render_test

import (
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
)

// The own time is in the text and in the Markdown, with stacks and limits.
func TestWhy(t *testing.T) {
	r := result.Result{Verdict: result.Spike, Findings: []result.Finding{{Rank: 1, Hop: "payment", Operation: "Charge", Kind: result.KindSelf, Why: &result.Why{
		Instance: "payment-2", Seconds: 2.5, Requests: 40, Slow: 12, SlowerThanMS: 20, OwnMS: 50,
		Parts: []result.WhyPart{{Kind: result.OwnLock, MS: 45, Share: 0.9, Stack: []string{"shop/store.(*Cache).Get cache.go:10"}, StackShare: 1,
			By: []string{"shop/store.(*Cache).Refresh cache.go:40"}}, {Kind: result.OwnRunning, MS: 5, Share: 0.1}},
		Unseen: []string{"2 requests had not ended\x1b with the recording"}}}}}
	for name, write := range map[string]func(*strings.Builder) error{
		"text":     func(b *strings.Builder) error { return render.Text(b, r, render.Links{}) },
		"Markdown": func(b *strings.Builder) error { return render.Markdown(b, r, render.Links{}) },
	} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(b.String(), `\*`, "*")
		for _, want := range []string{"own time of payment-2 in 12 of 40 requests", "90.0 %", "lock", "in store.(*Cache).Get cache.go:10; ended by store.(*Cache).Refresh cache.go:40", "running", "not ended? with"} {
			if !strings.Contains(got, want) {
				t.Errorf("the %s lacks %q:\n%s", name, want, got)
			}
		}
	}
}
