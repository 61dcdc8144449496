package browsertest

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dashboards renders each built-in dashboard. No panel reports an error or is
// unsupported, and exemplars open their traces.
func dashboards(t *testing.T, p *page, _ *program, url string) {
	list, err := get[[]struct{ UID, Title string }](context.Background(), url+"/api/dashboards")
	files, globErr := filepath.Glob("../../dashboards/*.json")
	if err != nil || globErr != nil || len(list) == 0 || len(list) != len(files) {
		t.Fatalf("%d dashboards of %d files: %v, %v", len(list), len(files), err, globErr)
	}
	p.visit(url + "/dashboards")
	p.wait(10*time.Second, ".dashlist h2", "Service RED")
	exemplars := 0
	for _, d := range list {
		p.visit(url + "/d/" + d.UID)
		p.wait(10*time.Second, ".panel", "")
		panels := eval[int](p, `document.querySelectorAll(".panel").length`)
		for i := range panels {
			eval[bool](p, fmt.Sprintf(`(document.querySelectorAll(".panel")[%d].scrollIntoView(), true)`, i))
			until(t, 15*time.Second, fmt.Sprintf("%s: panel %d is drawn", d.Title, i), func() error {
				if eval[bool](p, fmt.Sprintf(`document.querySelectorAll(".panel")[%d].querySelector(".note.loading") !== null`, i)) {
					return fmt.Errorf("it is not")
				}
				return nil
			})
		}
		if bad := eval[[]string](p, `[...document.querySelectorAll(".note.bad, .note.unsupported")].map((e) => e.closest(".panel").dataset.panel + ": " + e.textContent)`); len(bad) > 0 {
			t.Errorf("%s: %s", d.Title, strings.Join(bad, "; "))
		}
		exemplars += eval[int](p, `document.querySelectorAll(".exemplar").length`)
		drawn := eval[int](p, `document.querySelectorAll(".panel canvas, .panel table, .panel .stats, .panel .gauges, .panel svg, .panel .logs").length`)
		t.Logf("%s: %d panels, %d drawn", d.Title, panels, drawn)
	}
	if exemplars == 0 {
		t.Error("no panel shows an exemplar")
	}
	p.visit(url + "/d/tenhop-service?var-service=payment")
	until(t, 20*time.Second, "an exemplar", func() error {
		if eval[int](p, `document.querySelectorAll(".exemplar").length`) == 0 {
			return fmt.Errorf("none is drawn")
		}
		return nil
	})
	p.click(".exemplar", "")
	p.wait(15*time.Second, ".tracehead", "spans")
}

// foreign renders a dashboard of another author. Unsupported panels say so in
// their place.
func foreign(t *testing.T, p *page, s *program, _ string) {
	url := s.console(t, "--dashboards", abs(t, "testdata"), "--prometheus", s.Endpoints["prometheus"], "--jaeger", s.Endpoints["jaeger"], "--loki", s.Endpoints["loki"])
	p.visit(url + "/d/foreign")
	p.wait(15*time.Second, ".stat b", "1")
	p.wait(15*time.Second, `[data-panel="CPU"] .keys button`, "payment")
	for panel, says := range map[string]string{
		"A pie": "piechart", "Pivoted": "groupBy", "From elsewhere": "influxdb", "Broken query": "parse error", "Notes": "stays text", "Share up": "100",
	} {
		p.wait(10*time.Second, fmt.Sprintf(`[data-panel=%q]`, panel), says)
	}
	if eval[bool](p, `window.pwned !== undefined || document.querySelector(".panel img") !== null`) {
		t.Error("a text panel's HTML was rendered")
	}
}

// gone looks at a console whose sources do not answer: it says what to do.
func gone(_ *testing.T, p *page, s *program, _ string) {
	url := s.console(p.t, "--prometheus", "http://127.0.0.1:9", "--jaeger", "http://127.0.0.1:9")
	p.visit(url + "/")
	p.wait(15*time.Second, ".empty", "tenhop status")
	p.visit(url + "/diagnose")
	p.wait(15*time.Second, ".failure", "127.0.0.1:9")
	p.visit(url + "/trace/01")
	p.wait(15*time.Second, ".failure", "tenhop status")
}

// picture takes the service dashboard while it shows a spike.
func picture(t *testing.T, p *page, _ *program, url string) {
	p.visit(url + "/d/tenhop-service?var-service=payment&from=now-5m")
	until(t, 30*time.Second, "the panels in view are drawn", func() error {
		if eval[int](p, `document.querySelectorAll(".panel canvas").length`) == 0 {
			return fmt.Errorf("there are none")
		}
		if n := eval[int](p, `[...document.querySelectorAll(".panel")].filter((e) => e.getBoundingClientRect().top < innerHeight && !e.querySelector("canvas, table, .stats, .gauges, svg, .logs, .note:not(.loading)")).length`); n > 0 {
			return fmt.Errorf("%d are not", n)
		}
		return nil
	})
	p.shot("dashboard")
}
