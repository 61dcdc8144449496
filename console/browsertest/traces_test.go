package browsertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// hostile puts markup where a service would put words: it stays text.
func hostile(t *testing.T, p *page, s *program, url string) {
	const trace = "5c00000000000000000000000000000a"
	const name = `<script>window.pwned=1</script><img src=x onerror="window.pwned=1">`
	s.send(t, []map[string]any{
		span(trace, "5c0000000000000a", "", name, 2, time.Now(), 0, 20, attribute("note", name), attribute(`"><b>`, "x")),
		span(trace, "5c0000000000000b", "5c0000000000000a", name, 3, time.Now(), 5, 10, attribute("peer.service", name)),
	})
	stored(t, url, trace)
	for _, path := range []string{"/trace/" + trace + "?span=5c0000000000000a", "/search?service=made", "/compare?a=" + trace + "&b=" + trace} {
		p.visit(url + path)
		p.wait(10*time.Second, "main", "<script>window.pwned=1</script>")
		time.Sleep(300 * time.Millisecond) // an onerror would come later
		if eval[bool](p, `window.pwned !== undefined || document.querySelector("main script, main img") !== null`) {
			t.Errorf("%s: a span's name became markup", path)
		}
	}
}

func stored(t *testing.T, url, trace string) {
	t.Helper()
	until(t, 20*time.Second, "trace "+trace+" is stored", func() error {
		_, err := get[map[string]any](context.Background(), url+"/api/traces/"+trace)
		return err
	})
}

// scrolled returns the times of frames, in ms and ascending, while the rows of a
// trace are scrolled by so many pixels in each.
func scrolled(p *page, pixels int) []float64 {
	return eval[[]float64](p, fmt.Sprintf(`new Promise((done) => {
		const box = document.querySelector(".fall .rows");
		const times = [];
		let last = performance.now();
		const frame = (now) => {
			times.push(now - last);
			last = now;
			box.scrollTop += %d;
			if (times.length < 150) requestAnimationFrame(frame);
			else done(times.slice(5).sort((a, b) => a - b));
		};
		requestAnimationFrame(frame);
	})`, pixels))
}

// large scrolls through 2,000 spans: few rows are drawn at a time, and frames
// come in time.
func large(t *testing.T, p *page, s *program, url string) {
	const trace = "5c00000000000000000000000000000c"
	spans := []map[string]any{span(trace, fmt.Sprintf("%016x", 1), "", "GET /everything", 2, time.Now(), 0, 4000)}
	for i := 2; i <= 2000; i++ {
		spans = append(spans, span(trace, fmt.Sprintf("%016x", i), fmt.Sprintf("%016x", max(1, i/4)), fmt.Sprintf("step %d", i), 1+i%3, time.Now(), float64(i), float64(4000-2*i+2)/2+1))
	}
	s.send(t, spans)
	stored(t, url, trace)
	p.visit(url + "/trace/" + trace)
	p.wait(15*time.Second, ".tracehead", "2000 spans")
	// The same page standing still is the measure: on a busy machine both are slow.
	still, frames := scrolled(p, 0), scrolled(p, 180)

	rows := eval[int](p, `document.querySelectorAll(".fall .row").length`)
	middle, p95 := frames[len(frames)/2], frames[len(frames)*95/100]
	t.Logf("2,000 spans: %d rows drawn, frames %.1f ms in the middle, %.1f ms at the 95th percentile; %.1f ms standing still", rows, middle, p95, still[len(still)/2])
	if rows > 100 {
		t.Errorf("%d rows are drawn, want those in sight", rows)
	}
	if middle > 2*max(still[len(still)/2], 17) {
		t.Errorf("a frame takes %.1f ms, %.1f ms when nothing moves", middle, still[len(still)/2])
	}
	eval[bool](p, `(document.querySelector(".fall .rows").focus(), true)`)
	p.do(chromedp.KeyEvent(kb.End))
	until(t, 5*time.Second, "the last row is active and in sight", func() error {
		if at := eval[string](p, `document.activeElement.getAttribute("aria-activedescendant")`); at != "span-1999" || !eval[bool](p, `document.getElementById("span-1999") !== null`) {
			return fmt.Errorf("%s is active", at)
		}
		return nil
	})
	p.do(chromedp.SendKeys(chromedp.CSS(`input[aria-label="Find in spans"]`), "step 1234"))
	until(t, 5*time.Second, "rows that do not fit are dimmed", func() error {
		if eval[int](p, `document.querySelectorAll(".row.miss").length`) == 0 {
			return fmt.Errorf("none is")
		}
		return nil
	})
}
