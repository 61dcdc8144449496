package browsertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// incidentHeadline and incidentBegan are those of the newest incident.
const incidentHeadline = "payment tenhop.v1.Payment/Charge: +290 ms, 103 % of the added time at POST /checkout"

var incidentBegan = time.Date(2026, 11, 27, 12, 54, 42, 0, time.UTC)

// cannedIncidents adds incidents with a diagnosis to the canned answers.
func cannedIncidents(mux *http.ServeMux, a cannedAnswers) {
	incident := func(n int, open bool) object {
		at := incidentBegan.Add(-time.Duration(n) * 3 * time.Hour)
		later := func(s int) time.Time { return at.Add(time.Duration(s) * time.Second) }
		i := object{"id": fmt.Sprintf("0191a%d", n), "state": "open", "sure": n != 2, "place": "payment tenhop.v1.Payment/Charge", "entry": "POST /checkout",
			"headline": incidentHeadline, "began": at, "paged": later(7 + n), "alerted": later(27 + n), "named": later(9 + 2*n), "recovered": nil, "alerts": 2}
		if n == 2 {
			i["named"], i["place"], i["headline"] = nil, "SlowHop payment, a-service-with-a-very-long-name-canary-eu-central-1", "not sure: the baseline is short"
		}
		if !open {
			i["state"], i["recovered"] = "closed", later(180-20*n)
		}
		return i
	}
	list := []any{incident(0, true), incident(1, false), incident(2, false), incident(3, false), incident(4, false)}
	mux.HandleFunc("/api/incidents", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(object{"watched": true, "open": 1, "closed": 4, "incidents": list, "mttd_seconds": 9, "mttn_seconds": 12.5, "mttr_seconds": 130})
	})
	mux.HandleFunc("/api/incidents/{id}", func(w http.ResponseWriter, r *http.Request) {
		n := strings.TrimPrefix(r.PathValue("id"), "0191a")
		i := incident(int(n[0]-'0'), n == "0")
		_ = json.NewEncoder(w).Encode(object{"incident": i, "note": "", "problem": "", "more_alerts": 0, "diagnosis": json.RawMessage(a.diagnosis), "said": a.said, "alerts": a.alerts, "runbooks": a.links})
	})
}

func TestIncidentsAreShown(t *testing.T) {
	url := canned(t)
	for _, width := range []int64{1440, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			p := open(t, "light")
			p.do(chromedp.EmulateViewport(width, 844))
			p.visit(url + "/incidents")
			p.wait(10*time.Second, ".incidentlist .name", "payment")
			fits(p)
			seen := text(p)
			for _, want := range []string{"1 open, 4 closed", "MTTD", "9 s", "2.17 min", "falling", "no cause", "not sure: the baseline is short"} {
				if !strings.Contains(seen, want) {
					t.Errorf("the list does not show %q", want)
				}
			}
			p.shot(fmt.Sprintf("incidents-%d", width))
			p.click(".incidentlist .name", "payment")
			p.wait(10*time.Second, ".known", "Customers feel")
			fits(p)
			seen = text(p)
			for _, want := range []string{"Customers feel", "POST /checkout takes 555 ms on average, usually 35.6 ms", "one in twenty longer than 738 ms", "so far",
				"Which hop", "payment in Payment/Charge", "Why", "One request", "4bf92f35", "What changed", "payment runs version 2.0.1",
				"runbook slow-hop", "cause named", "found by tenhop before an alert", "first alert", "posted: payment", "found before an alert", "SlowHop"} {
				if !strings.Contains(seen, want) {
					t.Errorf("the incident does not show %q", want)
				}
			}
			if t.Failed() {
				t.Logf("it shows %s", seen)
			}
			p.shot(fmt.Sprintf("incident-%d", width))
			p.clean()
		})
	}
}

// TestIncidentStaysWhenTheConsoleIsAway: an open incident and the list keep what they show
// while the console does not answer, say so, and are refreshed when it is back.
func TestIncidentStaysWhenTheConsoleIsAway(t *testing.T) {
	url := canned(t)
	p := open(t, "light")
	for path, shown := range map[string]string{"/incidents/0191a0": ".known", "/incidents": ".incidentlist"} {
		p.visit(url + path)
		p.wait(10*time.Second, shown, "")
		eval[bool](p, `(window.answers = window.fetch, window.fetch = () => Promise.reject(new TypeError("gone")), true)`)
		p.wait(15*time.Second, ".banner", "Not refreshed since")
		p.wait(time.Second, shown, "payment")
		eval[bool](p, `(window.fetch = window.answers, true)`)
		until(t, 15*time.Second, "the page is refreshed", func() error {
			if eval[bool](p, `document.querySelector(".banner") !== null`) {
				return errors.New("it is not")
			}
			return nil
		})
	}
	p.clean()
}

// text returns what a reader sees of the page.
func text(p *page) string {
	return strings.NewReplacer("\u202f", " ", "\u2212", "-").Replace(eval[string](p, `document.querySelector("main").innerText`))
}
