package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestConsole is one story: the pages with quiet traffic, then a spike from the
// map to its trace, then a drill. The storefront is started once.
func TestConsole(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser for some minutes")
	}
	p := open(t, "dark")
	s := up(t)
	url := s.Endpoints["console"]
	for _, step := range []struct {
		name string
		run  func(*testing.T, *page, *program, string)
	}{
		{"first paint", firstPaint}, {"now", now}, {"reconnect", reconnect}, {"keyboard", keyboard}, {"search", search}, {"hostile names", hostile},
		{"large trace", large}, {"dashboards", dashboards}, {"foreign dashboard", foreign}, {"source that is gone", gone},
		{"spike", spike}, {"picture of a dashboard", picture}, {"drill", drill},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			p.t = t
			step.run(t, p, s, url)
			p.clean()
		}) {
			return
		}
	}
}

func firstPaint(t *testing.T, p *page, _ *program, url string) {
	p.visit(url + "/")
	until(t, 10*time.Second, "first paint", func() error {
		if eval[float64](p, `performance.getEntriesByName("first-contentful-paint").length`) == 0 {
			return fmt.Errorf("nothing is painted")
		}
		return nil
	})
	paint := eval[float64](p, `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
	size := eval[float64](p, `[performance.getEntriesByType("navigation")[0], ...performance.getEntriesByType("resource").filter((r) => r.name.includes("/assets/"))].reduce((n, r) => n + r.transferSize, 0)`)
	t.Logf("first contentful paint %.0f ms, %.0f bytes over the wire", paint, size)
	if paint > 1000 {
		t.Errorf("first paint after %.0f ms, more than a second", paint)
	}
	if size > 300_000 {
		t.Errorf("%.0f bytes, more than 300 kB", size)
	}
}

func now(t *testing.T, p *page, _ *program, url string) {
	p.visit(url + "/")
	until(t, 60*time.Second, "all hops are on the map", func() error {
		if n := eval[int](p, `document.querySelectorAll(".node.service").length`); n < 13 {
			return fmt.Errorf("%d hops", n)
		}
		return nil
	})
	for kind, least := range map[string]int{"http": 2, "grpc": 10, "kafka": 2} {
		if n := eval[int](p, fmt.Sprintf(`document.querySelectorAll(".edge.%s").length`, kind)); n < least {
			t.Errorf("%d %s edges, want at least %d", n, kind, least)
		}
	}
	// It moves without a reload.
	script := `document.querySelector(".hops").innerText`
	before := eval[string](p, script)
	until(t, 10*time.Second, "the numbers move", func() error {
		if eval[string](p, script) == before {
			return fmt.Errorf("unchanged")
		}
		return nil
	})
	if wide := eval[bool](p, `document.documentElement.scrollWidth > innerWidth`); wide {
		t.Error("the page scrolls sideways")
	}
}

// A proxy that answers for a while that the console is gone ends the browser's
// own attempts; the page's go on.
func reconnect(t *testing.T, p *page, _ *program, console string) {
	behind, err := url.Parse(console)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	var back atomic.Bool
	var refused atomic.Int32
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/live" && !back.Load() {
			http.Error(w, "the console is gone", http.StatusBadGateway)
			refused.Add(1)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	defer front.CloseClientConnections() // the stream
	p.visit(front.URL + "/")
	until(t, 20*time.Second, "the page tries again", func() error {
		if n := refused.Load(); n < 2 {
			return fmt.Errorf("it tried %d times", n)
		}
		return nil
	})
	p.wait(10*time.Second, ".live", "reconnecting")
	back.Store(true)
	p.wait(20*time.Second, ".live", "live")
	p.wait(20*time.Second, ".node", "payment")
	p.visit("about:blank")
}

func keyboard(t *testing.T, p *page, _ *program, url string) {
	p.visit(url + "/")
	p.wait(20*time.Second, ".node", "payment")
	eval[bool](p, `(document.querySelector("[data-hop=payment]").focus(), true)`)
	p.do(chromedp.KeyEvent("\r"))
	p.wait(5*time.Second, ".hop h2", "payment")
	p.do(chromedp.KeyEvent("\r"))
	until(t, 5*time.Second, "the panel closes", func() error {
		if eval[bool](p, `document.querySelector(".hop") !== null`) {
			return fmt.Errorf("it is open")
		}
		return nil
	})
	// Everything that can be clicked can be reached.
	if n := eval[int](p, `[...document.querySelectorAll("main .node, main .row, main circle")].filter((e) => e.tabIndex < 0 && !e.closest(".fall")).length`); n > 0 {
		t.Errorf("%d elements cannot be reached by keyboard", n)
	}
	p.do(chromedp.KeyEvent("/"))
	if id := eval[string](p, `document.activeElement.id`); id != "jump" {
		t.Errorf("/ leads to %q, want the search field", id)
	}
}

func search(t *testing.T, p *page, _ *program, url string) {
	p.visit(url + "/search")
	p.wait(10*time.Second, "main", "Search traces")
	p.wait(10*time.Second, "select[name=service] option", "gateway")
	p.choose("select[name=service]", "gateway")
	p.wait(10*time.Second, "select[name=operation] option", "POST /checkout")
	p.choose("select[name=operation]", "POST /checkout")
	p.click(".searchform button", "Search")
	p.wait(10*time.Second, ".found li", "POST /checkout")
	p.shot("search")
	eval[bool](p, `([...document.querySelectorAll(".found input")].slice(0, 2).forEach((e) => e.click()), true)`)
	p.click(".comparebar button", "Compare the two")
	p.wait(10*time.Second, ".comparison td", "checkout")
	// A correlation ID alone finds its trace.
	p.visit(url + "/search?service=gateway&operation=POST+%2Fcheckout&limit=3")
	p.click(".found a.name", "gateway")
	p.wait(10*time.Second, ".tracehead", "correlation")
	p.click(".tracehead a", "correlation")
	p.wait(20*time.Second, ".found li", "gateway")
	p.visit(url + "/trace/00000000000000000000000000000001")
	p.wait(10*time.Second, ".failure", "Not found")
}
