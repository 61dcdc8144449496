package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

func abs(t *testing.T, path string) string {
	t.Helper()
	a, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// spike injects latency in the page, sees the hop turn hot, asks the diagnosis,
// opens an exemplar and compares it with the usual trace.
func spike(t *testing.T, p *page, s *program, url string) {
	// A diagnosis needs a minute of baseline, the rules 75 s.
	until(t, 3*time.Minute, "100 s of baseline", func() error {
		if left := 100*time.Second - time.Since(s.ReadyAt); left > 0 {
			return fmt.Errorf("%s to go", left)
		}
		return nil
	})
	p.visit(url + "/")
	p.click("[data-hop=payment]", "payment")
	p.click(".fault summary", "Make it slower")
	eval[bool](p, `(document.querySelector(".fault").open = true)`)
	p.unlock(s.Token)
	p.click(".fault button", "Inject")
	p.wait(10*time.Second, ".fault .good", "500 ms slower")
	began := time.Now()
	until(t, time.Minute, "payment turns hot", func() error {
		if !eval[bool](p, `document.querySelector("[data-hop=payment]").classList.contains("hot")`) {
			return errors.New("it is calm")
		}
		return nil
	})
	t.Logf("payment is marked %.1f s after the injection", time.Since(began).Seconds())
	p.click(".hop .cardhead button", "")
	p.wait(40*time.Second, ".alerts", "SlowHop")
	time.Sleep(4 * time.Second) // the mean over 15 s settles
	if marked := eval[string](p, `[...document.querySelectorAll(".node.hot")].map((e) => e.dataset.hop).join()`); marked != "payment" {
		t.Errorf("marked: %s, want payment alone", marked)
	}
	p.shot("now")
	p.click(".entries a", "Diagnose")
	p.wait(20*time.Second, ".verdict h1", "payment")
	p.wait(20*time.Second, ".exemplar-link", "")
	t.Logf("diagnosis: %s (%s)", eval[string](p, `document.querySelector(".verdict h1").textContent`), eval[string](p, `document.querySelector(".controls .right").textContent`))
	time.Sleep(time.Second) // the chart follows
	p.shot("diagnose")
	p.click(".findings .first .exemplar-link", "")
	p.wait(20*time.Second, ".tracehead", "POST /checkout")
	p.wait(20*time.Second, ".fallbar .check", "log lines")
	for class, what := range map[string]string{"busy": "self time", "crit": "the critical path", "queue": "a queue wait", "leaf": "a store"} {
		until(t, 10*time.Second, what+" is drawn", func() error {
			if !eval[bool](p, fmt.Sprintf(`(() => { const b = document.querySelector(".fall .rows"); const seen = document.querySelector(".fall .%s") !== null; b.scrollTop = (b.scrollTop + 300) %% b.scrollHeight; return seen; })()`, class)) {
				return errors.New("it is not")
			}
			return nil
		})
	}
	eval[bool](p, `(document.querySelector(".fall .rows").scrollTop = 0, true)`)
	p.wait(10*time.Second, ".whole .most", "payment")
	eval[bool](p, `(() => { const b = document.querySelector(".fall .rows"); b.scrollTop = 560; return true; })()`)
	p.click(".fall .row .label b", "payment")
	p.wait(5*time.Second, ".detail h2", "payment")
	p.shot("trace")
	p.click(".tracehead a.button", "usual")
	p.wait(20*time.Second, ".comparison tbody tr:first-child", "payment")
	p.shot("compare")
	p.visit(url + "/")
	p.click("[data-hop=payment]", "payment")
	eval[bool](p, `(document.querySelector(".fault").open = true)`)
	p.click(".fault button", "Lift all")
	p.wait(10*time.Second, ".fault .good", "lifted")
}

// drill takes a blind drill to its verdict. The answer comes from what anybody
// can ask: the diagnosis.
func drill(t *testing.T, p *page, s *program, url string) {
	// The storefront must be well again, and the spike before out of the way.
	time.Sleep(45 * time.Second)
	p.visit(url + "/drills")
	p.wait(10*time.Second, ".stage", "Blind drill")
	p.unlock(s.Token)
	p.click("button.start", "Start")
	p.wait(2*time.Minute, ".steps .on", "Find it")
	p.wait(10*time.Second, ".answer select[name=hop] option", "payment")
	began := time.Now()
	var hop, operation, kind string
	until(t, 2*time.Minute, "the diagnosis names a hop", func() error {
		d, err := get[struct {
			Verdict  string
			Findings []struct {
				Hop, Operation, Kind, Target string
				Share                        float64
			}
		}](context.Background(), url+"/api/diagnose?entry=POST+%2Fcheckout&since=2m")
		if err != nil || d.Verdict != "spike" || len(d.Findings) == 0 || d.Findings[0].Share < 0.5 {
			b, _ := json.Marshal(d)
			return fmt.Errorf("%v %s", err, b)
		}
		f := d.Findings[0]
		hop, operation, kind = f.Hop, f.Operation, f.Kind
		if kind == "dependency" && eval[bool](p, fmt.Sprintf(`document.querySelector(".answer select[name=hop]").innerHTML.includes(">%s<")`, f.Target)) {
			hop, kind = f.Target, "self" // a hop that does not measure itself
		}
		return nil
	})
	p.choose(".answer select[name=hop]", hop)
	if !eval[bool](p, fmt.Sprintf(`[...document.querySelectorAll(".answer select[name=operation] option")].some((o) => o.value === %q)`, operation)) {
		operation = eval[string](p, `[...document.querySelectorAll(".answer select[name=operation] option")].at(-1).value`)
	}
	p.choose(".answer select[name=operation]", operation)
	p.choose(".answer select[name=kind]", kind)
	p.shot("drill")
	p.click(".answer button", "Answer")
	p.wait(90*time.Second, ".result h2", "right")
	t.Logf("drill: found %s %s after %.1f s; %s", hop, operation, time.Since(began).Seconds(), eval[string](p, `document.querySelector(".result h2").textContent`))
	p.wait(10*time.Second, ".result", "Proof")
	p.shot("verdict")
}
