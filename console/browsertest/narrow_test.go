package browsertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

type object = map[string]any

// longName and longOperation are names without a place to break.
const (
	longName      = "com.example.platform.recommendations.personalisation-backend-v2-canary-eu-central-1"
	longOperation = "com.example.platform.recommendations.v2.PersonalisationService/GetRecommendationsForAnonymousVisitor"
)

// cannedPages adds traces, a comparison, dashboards and protocols with long names.
func cannedPages(mux *http.ServeMux, a cannedAnswers) {
	answer := func(pattern string, v any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
	}
	start := time.Date(2026, 11, 26, 20, 20, 0, 0, time.UTC).UnixMicro()
	var found []object
	for i := range 20 {
		found = append(found, object{"trace_id": fmt.Sprintf("%032x", i+1), "service": longName, "operation": longOperation, "start": start + int64(i)*1e6, "duration": 700_000,
			"root": 30_000 * (i + 1), "spans": 41, "failed": i % 3, "slowest": longName, "services": []object{{"name": longName, "spans": 3, "self": 20_000 * (i + 1)}}})
	}
	answer("/api/services", a.services)
	answer("/api/services/{name}/operations", a.operations)
	answer("/api/traces", found)
	cannedTrace(answer, start)
	side := object{"trace_id": fmt.Sprintf("%032x", 1), "service": longName, "operation": longOperation, "traces": 1, "start": start, "duration": 700_000}
	var rows []object
	for i, kind := range []string{"self", "dependency", "link", "queue"} {
		rows = append(rows, object{"service": longName, "operation": longOperation, "kind": kind, "target": longName, "delta": 90_000 * (i - 1),
			"a": object{"time": 100_000, "count": 1}, "b": object{"time": 100_000 + 90_000*(i-1), "count": 3}})
	}
	answer("/api/compare", object{"a": side, "b": side, "rows": rows})
	answer("/api/dashboards", []object{{"uid": "canned", "title": "Canned", "description": longOperation, "tags": []string{}, "panels": 5}})
	panel := func(id int, kind string, x, y, w, h int) object {
		return object{"id": id, "type": kind, "title": fmt.Sprint("Panel ", id), "gridPos": object{"x": x, "y": y, "w": w, "h": h},
			"targets": []object{{"refId": "A", "expr": "up", "legendFormat": "{{service_name}}"}}}
	}
	answer("/api/dashboards/{uid}", object{"uid": "canned", "title": "Canned", "panels": []object{panel(2, "stat", 6, 0, 6, 4), panel(1, "stat", 0, 0, 6, 4), panel(3, "gauge", 12, 0, 4, 4),
		panel(4, "timeseries", 0, 4, 12, 8), panel(5, "table", 12, 4, 12, 8)}})
	answer("/api/prometheus/query", object{"data": object{"result": []object{{"metric": object{"service_name": longName, "operation": longOperation}, "value": []any{1795724400, "3"}}}}})
	answer("/api/protocols", object{"measured": "Measured once.", "columns": []string{"way", "median", "p99", "allocations", "bytes", "connections"},
		"rows": [][]string{{"gRPC over HTTP/2 with TLS", "120 µs", "310 µs", "140", "9.1 kB", "1"}, {"REST over HTTP/1.1", "90 µs", "250 µs", "80", "6.2 kB", "4"}}})
}

// cannedTrace adds a trace whose spans are each below the one before: services, calls, a
// message that waited and a failure. Three of them have log lines.
func cannedTrace(answer func(string, any), start int64) {
	var spans, lines []object
	for i := range 24 {
		s := object{"id": fmt.Sprintf("%016x", i+1), "parent": i - 1, "depth": i, "service": longName, "operation": longOperation, "kind": "server", "start": 1000 * i, "duration": 700_000 - 2000*i,
			"self": 2000, "busy": [][2]int{{1000 * i, 1000 * (i + 1)}}, "critical": [][2]int{{1000 * i, 1000 * (i + 1)}}, "failed": i == 5,
			"tags": [][2]string{{"messaging.kafka.destination.partition.of.a.long.name", fmt.Sprint(i)}, {"url.full", "https://" + longName + "/" + strings.Repeat("a", 200)}}}
		switch {
		case i == 7:
			s["kind"], s["queue"] = "consumer", object{"kind": "topic", "from": 1000, "to": 7000}
		case i%3 == 1:
			s["kind"], s["peer"] = "client", longName
		}
		if i%8 == 2 {
			lines = append(lines, object{"at": start + int64(1000*i+1), "service": longName, "level": []string{"error", "warn", "info"}[i/8], "span_id": s["id"], "message": "the pool of " + longName + " has no connection left",
				"fields": object{"operation": longOperation}})
		}
		spans = append(spans, s)
	}
	answer("/api/traces/{id}", object{"trace_id": fmt.Sprintf("%032x", 1), "start": start, "duration": 700_000, "correlation_id": strings.Repeat("c", 128), "roots": 1,
		"services": []object{{"name": longName, "spans": 24, "self": 500_000}}, "spans": spans})
	answer("/api/traces/{id}/logs", lines)
}

// cannedDrills is the state of the drills after many of each result.
func cannedDrills() string {
	history := []object{}
	for i := range 45 {
		seconds := object{"moved": 3.2, "alerted": 9.1, "answered": 12.5 + float64(i%7), "lifted": 20.1, "recovered": 14.0}
		round := object{"round": 1, "fault": object{"kind": "latency", "hop": "payment", "operation": longOperation, "latency": "500ms"}, "right_hop": true, "right_operation": true, "right_kind": true,
			"answer": object{"findings": []object{{"hop": "payment", "operation": longOperation, "kind": "self"}}}, "seconds": seconds}
		switch i {
		case 0:
			round["right_cause"], round["fault"].(object)["expect"] = false, []object{{"hop": "payment", "causes": []string{"cpu", "throttled"}}}
		case 1:
			round["void"] = "an alert fired before the fault was injected"
		case 2:
			round["right_hop"], round["half"] = false, true
		}
		history = append(history, object{"at": time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC).Add(-time.Duration(i) * time.Hour), "round": round})
	}
	b, _ := json.Marshal(object{"phase": "idle", "history": history})
	return string(b)
}

// small lists what is lower than 24 px, and is touched. Links within a text are left out.
const small = `[...document.querySelectorAll("main button, main summary, main select, main .chip[href], main .links a, main .check")]
	.filter((e) => !e.classList.contains("exemplar") && e.getClientRects().length > 0 && e.getBoundingClientRect().height < 23.5).map((e) => e.outerHTML.slice(0, 80))`

// narrower lists the elements of a selector that are narrower than a number of pixels.
const narrower = `[...document.querySelectorAll(%q)].filter((e) => e.getBoundingClientRect().width < %d).map((e) => e.outerHTML.slice(0, 80))`

// covered lists the elements of a selector that cover the one before.
const covered = `[...document.querySelectorAll(%q)].filter((e, i, all) => { if (i === 0) return false; const a = all[i - 1].getBoundingClientRect(), b = e.getBoundingClientRect();
	return b.left < a.right - 1 && a.left < b.right - 1 && b.top < a.bottom - 1 && a.top < b.bottom - 1; }).map((e) => e.textContent)`

// TestNarrowPages shows each page on a narrow screen, as full as a page of a large fleet in
// trouble is: it does not scroll sideways, what is read is wide enough, and what is touched is
// high enough.
func TestNarrowPages(t *testing.T) {
	url := many(t).serve(t)
	for _, c := range []struct{ name, path, ready, read string }{
		{"now", "/", ".node", ".entries li"},
		{"hop", "/", ".node", ".hop"},
		{"incidents", "/incidents", ".incidentlist li", ".incidentlist .name"},
		{"incident", "/incidents/0191a0", ".known", ".known dd"},
		{"diagnose", "/diagnose", ".verdict h1", ".verdict h1"},
		{"search", "/search?service=x", ".found li", ".found a.name"},
		{"trace", "/trace/" + fmt.Sprintf("%032x", 1) + "?span=" + fmt.Sprintf("%016x", 1), ".detail dd", ".detail dd"},
		{"compare", "/compare?a=1&b=2", ".comparison tbody tr", ".comparison td:first-child"},
		{"dashboards", "/dashboards", ".dashlist a", ".dashlist a"},
		{"dashboard", "/d/canned", ".panel .stat, .panel .note", ".panel"},
		{"drills", "/drills", ".result", ".timeline"},
		{"protocols", "/protocols", ".protocols td", ".protocols"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, "light")
			p.do(chromedp.EmulateViewport(390, 844))
			p.visit(url + c.path)
			p.wait(10*time.Second, c.ready, "")
			if c.name == "hop" {
				p.click(".node", "")
				p.wait(5*time.Second, ".hop h2", "")
			}
			time.Sleep(500 * time.Millisecond) // charts are drawn
			fits(p)
			if n := eval[int](p, fmt.Sprintf(`document.querySelectorAll(%q).length`, c.read)); n == 0 {
				t.Errorf("the page has no %s", c.read)
			}
			if bad := eval[[]string](p, fmt.Sprintf(narrower, c.read, 120)); len(bad) > 0 {
				t.Errorf("too narrow to read: %q", bad[:min(len(bad), 4)])
			}
			if bad := eval[[]string](p, small); len(bad) > 0 {
				t.Errorf("too low to touch: %q", bad[:min(len(bad), 8)])
			}
			for _, selector := range []string{".timeline li", ".grid > .panel", ".found li", ".moments li", ".alertlist li", ".incidentlist li", ".entries li"} {
				if bad := eval[[]string](p, fmt.Sprintf(covered, selector)); len(bad) > 0 {
					t.Errorf("%s: %q covers what is before it", selector, bad)
				}
			}
			p.shot("narrow-" + c.name)
			p.clean()
		})
	}
}

// TestDrillsAreScored shows void rounds as void, and leaves them out of the number of right ones.
func TestDrillsAreScored(t *testing.T) {
	p := open(t, "light")
	p.visit(canned(t) + "/drills")
	p.wait(10*time.Second, ".result", "not quite")
	seen := text(p)
	for _, want := range []string{"42 of 44 right; 1 void", "not cause", "cpu or throttled", "an alert fired before the fault was injected", "half right"} {
		if !strings.Contains(seen, want) {
			t.Errorf("the page does not show %q:\n%s", want, seen)
		}
	}
	p.clean()
}
