package browsertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// cannedAnswers holds the responses that the test server sends.
type cannedAnswers struct {
	snapshot, diagnosis  []byte
	said, alerts, links  []any // of each incident; links are its runbooks
	services, operations []string
}

// few returns answers from testdata, which hold names and values of every length and every
// field of a diagnosis.
func few(t *testing.T) cannedAnswers {
	t.Helper()
	a := cannedAnswers{services: []string{longName}, operations: []string{longOperation}, links: []any{object{"name": "slow-hop", "url": "https://github.com/tenhop/tenhop/blob/main/docs/runbooks/slow-hop.md"}}}
	for path, into := range map[string]*[]byte{"testdata/snapshot.json": &a.snapshot, "testdata/diagnosis.json": &a.diagnosis} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		*into = b
	}
	began := incidentBegan
	a.said = []any{object{"at": began.Add(10 * time.Second), "text": incidentHeadline}}
	a.alerts = []any{object{"name": "Diagnosis", "place": "payment", "looked": true, "starts_at": began.Add(7 * time.Second), "ends_at": nil}, object{"name": "SlowHop", "place": "payment", "looked": false, "starts_at": began.Add(20 * time.Second), "ends_at": nil}}
	return a
}

// canned serves the page with few answers. It returns the page's URL.
func canned(t *testing.T) string { return few(t).serve(t) }

// cannedAs is canned with pairs of old and new texts of the map.
func cannedAs(t *testing.T, renamed ...string) string {
	a := few(t)
	a.snapshot = []byte(strings.NewReplacer(renamed...).Replace(string(a.snapshot)))
	return a.serve(t)
}

// serve serves the page with answers. It returns the page's URL.
func (a cannedAnswers) serve(t *testing.T) string {
	t.Helper()
	file := func(path string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			b, err := os.ReadFile(path)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			if strings.HasSuffix(path, ".gz") {
				w.Header().Set("Content-Encoding", "gzip")
			}
			_, _ = w.Write(b)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", file("../dist/index.html.gz"))
	mux.HandleFunc("/assets/{name}", func(w http.ResponseWriter, r *http.Request) {
		kind := "text/css"
		if strings.HasSuffix(r.URL.Path, ".js") {
			kind = "text/javascript"
		}
		w.Header().Set("Content-Type", kind)
		file("../dist/assets/"+r.PathValue("name")+".gz")(w, r)
	})
	cannedIncidents(mux, a)
	cannedPages(mux, a)
	mux.HandleFunc("/api/diagnose", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(a.diagnosis) })
	mux.HandleFunc("/api/config", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"prometheus":true,"jaeger":true,"loki":true,"actions":true,"scrape_seconds":2,"labels":{}}`)
	})
	mux.HandleFunc("/api/live", func(w http.ResponseWriter, r *http.Request) {
		var line bytes.Buffer
		_ = json.Compact(&line, a.snapshot)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: now\ndata: %s\n\nevent: drill\ndata: %s\n\n", line.Bytes(), cannedDrills())
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/api/prometheus/query_range", func(w http.ResponseWriter, r *http.Request) {
		start, _ := strconv.ParseFloat(r.FormValue("start"), 64)
		end, _ := strconv.ParseFloat(r.FormValue("end"), 64)
		var values []string
		for at := start; at <= end; at += 2 {
			values = append(values, fmt.Sprintf(`[%.0f,"0.%d"]`, at, 3+int(at)%5))
		}
		fmt.Fprintf(w, `{"data":{"result":[{"metric":{"service_name":"gateway"},"values":[%s]}]}}`, strings.Join(values, ","))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections) // the stream
	return srv.URL
}

// overlaps lists the texts of the map that run out of their node or into each other.
const overlaps = `[...document.querySelectorAll(".node")].flatMap((n) => {
	const frame = n.querySelector(".frame").getBoundingClientRect();
	const texts = [...n.querySelectorAll("text")].map((e) => ({ text: e.textContent, r: e.getBoundingClientRect() }));
	return texts.flatMap(({ text, r }, i) => [
		...(r.left < frame.left || r.right > frame.right ? [text + " runs out of its node"] : []),
		...texts.slice(i + 1).filter((o) => r.left < o.r.right && o.r.left < r.right && Math.abs(r.top - o.r.top) < 4).map((o) => text + " runs into " + o.text)]);
})`

// cut lists the elements of a selector that do not show all of their text.
const cut = `[...document.querySelectorAll(%q)].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)`

func TestNowFits(t *testing.T) {
	url := canned(t)
	for _, width := range []int64{1440, 1024, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			p := open(t, "dark")
			p.do(chromedp.EmulateViewport(width, 844))
			p.visit(url + "/")
			p.wait(10*time.Second, ".node", "notification")
			fits(p)
			if bad := eval[[]string](p, overlaps); len(bad) > 0 {
				t.Errorf("on the map: %q", bad)
			}
			for _, selector := range []string{".entries .op", ".entries .sub", ".entries li", ".hops td"} {
				if bad := eval[[]string](p, fmt.Sprintf(cut, selector)); len(bad) > 0 {
					t.Errorf("%s is cut: %q", selector, bad)
				}
			}
			p.click(".node", "checkout")
			p.wait(5*time.Second, ".hop h2", "checkout")
			fits(p)
			p.clean()
		})
	}
}

// A fleet that nobody here named fits, too.
func TestForeignFleetFits(t *testing.T) {
	const longest = "com.example.platform.recommendations.personalisation-backend-v2-canary-eu-central-1"
	url := cannedAs(t, `"gateway"`, `"edge-ingress-controller-production-eu-central-1"`, `"notification"`, `"`+longest+`"`,
		`"catalog"`, `"商品カタログ検索インデックス管理サービス本番環境"`, `"payment"`, `"WWWWWWWWWWWWWWWWWWWWWWWWWWWW"`, `"POST /checkout"`,
		`"/com.example.platform.recommendations.v2.PersonalisationService/GetRecommendationsForAnonymousVisitor"`)
	for _, width := range []int64{1440, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			p := open(t, "light")
			p.do(chromedp.EmulateViewport(width, 844))
			p.visit(url + "/")
			p.wait(10*time.Second, ".node", "WWWW")
			fits(p)
			p.click(".node", "WWWW")
			p.wait(5*time.Second, ".hop h2", "WWWW")
			fits(p)
			if bad := eval[[]string](p, overlaps); len(bad) > 0 {
				t.Errorf("on the map: %q", bad)
			}
			if text := eval[string](p, "document.body.innerText"); strings.Contains(strings.ReplaceAll(text, "edge-ingress", ""), "gateway") {
				t.Errorf("the page names a gateway:\n%s", text)
			}
			p.shot(fmt.Sprintf("foreign-%d", width))
			p.clean()
		})
	}
}

// fits fails if the page scrolls sideways.
func fits(p *page) {
	p.t.Helper()
	if wide := eval[string](p, `document.documentElement.scrollWidth > document.documentElement.clientWidth ? document.documentElement.scrollWidth + " px: " + [...document.querySelectorAll("main *, header *")].filter((e) => (e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).overflowX === "visible") && !e.closest(".mapbox")).slice(-8).map((e) => e.outerHTML.slice(0, 120)).join("\n") : ""`); wide != "" {
		p.t.Errorf("the page scrolls sideways, it has %s", wide)
	}
}

// The line of a hop's self time covers its column as soon as the page is open.
func TestSparklineHasAHistory(t *testing.T) {
	p := open(t, "light")
	p.visit(canned(t) + "/")
	until(t, 10*time.Second, "a line of three minutes", func() error {
		if w := eval[float64](p, `[...document.querySelectorAll(".hops tr")].find((e) => e.textContent.startsWith("gateway"))?.querySelector(".spark polyline")?.getBoundingClientRect().width ?? 0`); w < 120 {
			return fmt.Errorf("it is %.0f px wide", w)
		}
		return nil
	})
	p.clean()
}

func TestDiagnosisIsShown(t *testing.T) {
	url := canned(t)
	for _, width := range []int64{1440, 390} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			p := open(t, "light")
			p.do(chromedp.EmulateViewport(width, 844))
			p.visit(url + "/diagnose?since=15m&entry=POST+%2Fcheckout")
			p.wait(10*time.Second, ".verdict h1", "payment")
			p.wait(10*time.Second, ".chartbox", "")
			p.wait(10*time.Second, ".links", "runbook")
			fits(p)
			// innerText has what a reader sees, in this order.
			seen := strings.NewReplacer("\u202f", " ", "\u2212", "-").Replace(eval[string](p, `document.querySelector("main").innerText`))
			for _, want := range []string{
				"the change is in the last minute", "35.6 ms", "555 ms", "71.8 ms", "738 ms", "587", "36.1 ms",
				"payment runs version 2.0.1 since", "5 s before the change; 1.9.7 before", "pprof did not answer", "connection refused", "jaeger: Jaeger returned 200",
				"90 % – 97 %", "region=", "eu-west", "4.0×", "4bf92f35", "bbbbbbbb",
				"By operation: Payment/Charge +500 ms, Payment/Authorize +19.0 ms", "Without it, p95 would be 68.0 ms to 95.0 ms",
				"Model).Evaluate", "12.0 ms/s → 430 ms/s", "sync.(*Mutex).Lock", "no profile before",
				"more calls between checkout and payment", "3.0 calls per request, 1.0 before", "In 9 of 10 traces it asks stock twice", "cart – redis", "0.10 % → 40 %", "UNAVAILABLE",
				"p50", "18.5 ms → 521 ms", "payment waits for payment-db 13 %", "60, 61 traces", "p99", "3, 4 traces (few)",
				"POST /checkout to completion at notification", "+492 ms", "308 series", "140 traces", "12 log lines", "collect 950 ms",
				"take more than 250 ms", "traffic", "Warning: traces have 12 requests", "payment, order use one database: postgresql shop at db:5432", "3 traces are left out", "What to do", "runbook slow-hop", "runbook of EntrySpike",
			} {
				if !strings.Contains(seen, want) {
					t.Errorf("the page does not show %q", want)
				}
			}
			if t.Failed() {
				t.Logf("it shows %s", seen)
			}
			if href := eval[string](p, `[...document.querySelectorAll(".sources a")].at(-1).getAttribute("href")`); href != "/api/diagnose?entry=POST+%2Fcheckout&since=15m" {
				t.Errorf("as JSON leads to %s", href)
			}
			shifts := eval[float64](p, `new Promise((done) => { let sum = 0; new PerformanceObserver((l) => { for (const e of l.getEntries()) sum += e.value; }).observe({ type: "layout-shift", buffered: true }); setTimeout(() => done(sum), 500); })`)
			t.Logf("layout shift %.3f", shifts)
			if shifts > 0.05 {
				t.Errorf("the layout shifts by %.3f", shifts)
			}
			p.shot(fmt.Sprintf("canned-%d", width))
			p.clean()
		})
	}
}
