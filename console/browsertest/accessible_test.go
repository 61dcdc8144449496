package browsertest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// axe is the accessibility checker that `npm ci` in console/web installs.
const axe = "../web/node_modules/axe-core/axe.min.js"

// TestAccessible runs axe-core on each page, full of data, wide and narrow, light and dark: it
// has no serious or critical finding.
func TestAccessible(t *testing.T) {
	script, err := os.ReadFile(axe)
	if err != nil {
		t.Skip("SKIPPED: nothing was checked; run npm ci in console/web first")
	}
	url := many(t).serve(t)
	trace := "/trace/" + fmt.Sprintf("%032x", 1)
	for _, c := range []struct {
		name, path, ready string
		then              func(*page) // what a user does before the page is checked
	}{
		{"now", "/", ".node", nil},
		{"incidents", "/incidents", ".incidentlist", nil},
		{"incident", "/incidents/0191a0", ".known", nil},
		{"diagnose", "/diagnose", ".verdict h1", nil},
		{"search", "/search?service=x", ".found li", nil},
		{"trace", trace, ".fall .row", nil},
		{"trace-details", trace + "?span=" + fmt.Sprintf("%016x", 3), ".detail dd", nil},
		{"trace-logs", trace, ".fall .row", func(p *page) {
			p.wait(10*time.Second, ".fallbar .check", "3 log lines")
			p.click(".fallbar .check input", "")
			p.wait(5*time.Second, ".fall .logrow", "")
		}},
		{"trace-folded", trace, ".fall .row", func(p *page) {
			eval[bool](p, `(document.querySelectorAll(".fall button.toggle")[1].click(), true)`)
			p.wait(5*time.Second, ".fall .k", "+22")
		}},
		{"trace-find", trace, ".fall .row", func(p *page) {
			p.do(chromedp.SendKeys(chromedp.CSS(`input[aria-label="Find in spans"]`), "long.name=3"))
			p.wait(5*time.Second, ".fall .row.miss", "")
		}},
		{"compare", "/compare?a=1&b=2", ".comparison", nil},
		{"protocols", "/protocols", ".protocols", nil},
		{"dashboard", "/d/canned", ".panel .note, .panel .stat", nil},
		{"dashboards", "/dashboards", "main *", nil},
		{"drills", "/drills", ".result", nil},
		{"nowhere", "/nowhere", ".empty", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, "light")
			for _, theme := range []string{"light", "dark"} {
				p.prefer(theme)
				for _, width := range []int64{1440, 390} {
					p.do(chromedp.EmulateViewport(width, 844))
					p.visit(url + c.path)
					p.wait(10*time.Second, c.ready, "")
					if c.then != nil {
						c.then(p)
					}
					eval[bool](p, string(script)+";true")
					bad := eval[[]string](p, `axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
						.flatMap((v) => v.nodes.slice(0, 4).map((n) => v.id + ": " + n.html.slice(0, 160) + " " + (n.any[0]?.message ?? ""))))`)
					if len(bad) > 0 {
						t.Errorf("at %d px, %s:\n%s", width, theme, strings.Join(bad, "\n"))
					}
				}
			}
		})
	}
}
