package browsertest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestPages opens each page of the running console at TENHOP_CONSOLE, wide and narrow. No
// page scrolls sideways or has an error. With TENHOP_IMAGES it takes pictures of whole pages.
func TestPages(t *testing.T) {
	url := os.Getenv("TENHOP_CONSOLE")
	if url == "" {
		t.Skip("set TENHOP_CONSOLE to the URL of a console")
	}
	pages := []struct{ name, path, ready string }{
		{"now", "/", ".node"}, {"hop", "/", ".hop"}, {"incidents", "/incidents", "main h1, .empty"}, {"diagnose", "/diagnose?entry=POST+%2Fcheckout", ".diagnose .sources, .failure"},
		{"search", "/search?service=gateway&operation=POST+%2Fcheckout&limit=20", ".found li"}, {"nothing-found", "/search?correlation=no-such-id", ".empty"}, {"dashboards", "/dashboards", ".dashlist a"},
		{"drills", "/drills", ".stage"}, {"no-page", "/nowhere", ".empty, pre"}, {"no-trace", "/trace/00000000000000000000000000000001", ".failure"},
	}
	for _, uid := range []string{"overview", "service", "where", "slo", "runtime", "kafka", "telemetry", "drills", "incidents", "delivery"} {
		pages = append(pages, struct{ name, path, ready string }{"dashboard-" + uid, "/d/tenhop-" + uid, ".panel"})
	}
	found, err := get[[]struct {
		TraceID string `json:"trace_id"`
	}](context.Background(), url+"/api/traces?service=gateway&operation=POST+%2Fcheckout&limit=2")
	if err != nil || len(found) < 2 {
		t.Fatalf("two traces: %v %v", err, found)
	}
	pages = append(pages, struct{ name, path, ready string }{"trace", "/trace/" + found[0].TraceID, ".tracehead"},
		struct{ name, path, ready string }{"compare", "/compare?a=" + found[0].TraceID + "&b=" + found[1].TraceID, ".comparison tbody tr"})
	incidents, err := get[struct{ Incidents []struct{ ID string } }](context.Background(), url+"/api/incidents")
	if err != nil {
		t.Fatal(err)
	}
	if len(incidents.Incidents) > 0 {
		pages = append(pages, struct{ name, path, ready string }{"incident", "/incidents/" + incidents.Incidents[0].ID, ".known"})
	}
	for _, width := range []int64{390, 1440} {
		p := open(t, map[int64]string{1440: "light", 390: "dark"}[width])
		for _, c := range pages {
			p.do(chromedp.EmulateViewport(width, 900))
			p.visit(url + c.path)
			if c.name == "hop" {
				p.click("[data-hop=payment]", "payment")
			}
			p.wait(20*time.Second, c.ready, "")
			time.Sleep(1500 * time.Millisecond) // charts are drawn
			t.Run(fmt.Sprintf("%s-%d", c.name, width), func(t *testing.T) {
				p.t = t
				fits(p)
				p.clean()
				if height := eval[int64](p, `document.documentElement.scrollHeight`); height > 900 {
					p.do(chromedp.EmulateViewport(width, min(height, 3600)))
					time.Sleep(300 * time.Millisecond)
				}
				p.shot(fmt.Sprintf("%s-%d", c.name, width))
			})
			p.t = t
		}
	}
}
