package browsertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// safe collects what a program says while a test reads it.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// page is a tab.
type page struct {
	t      *testing.T
	ctx    context.Context
	errors safe // exceptions, and what the content policy refused
}

// open starts a browser with one tab, in a theme.
func open(t *testing.T, theme string) *page {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("there is no chromium; apt-get install chromium")
	}
	browser, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	p := &page{t: t, ctx: tab}
	// The first action starts the browser, which ends with the action's context.
	if err := chromedp.Do(tab); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(1440, 900))
	if err := chromedp.Listen(tab, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			text := e.ExceptionDetails.Text
			if x := e.ExceptionDetails.Exception; x != nil {
				text += " " + x.Description
			}
			fmt.Fprintln(&p.errors, text)
		case *log.EventEntryAdded:
			if strings.Contains(e.Entry.Text, "Content Security Policy") {
				fmt.Fprintln(&p.errors, e.Entry.Text)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	p.prefer(theme)
	return p
}

// prefer sets the theme that the browser asks for.
func (p *page) prefer(theme string) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) visit(url string) {
	p.t.Helper()
	p.do(chromedp.Navigate(url))
}

// eval runs a script and returns its value.
func eval[T any](p *page, script string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", script, err)
	}
	return v
}

// wait waits for a selector, with a text in it.
func (p *page) wait(within time.Duration, selector, text string) {
	p.t.Helper()
	script := fmt.Sprintf(`[...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%q))`, selector, text)
	until(p.t, within, fmt.Sprintf("%s with %q", selector, text), func() error {
		if !eval[bool](p, script) {
			return fmt.Errorf("the page has: %.600s", eval[string](p, `document.querySelector("main")?.innerText ?? ""`))
		}
		return nil
	})
}

// choose sets a select as a person would.
func (p *page) choose(selector, value string) {
	p.t.Helper()
	p.wait(10*time.Second, selector+" option[value="+fmt.Sprintf("%q", value)+"], "+selector+" option", "")
	eval[bool](p, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.value = %q; e.dispatchEvent(new Event("change", { bubbles: true })); return e.value !== ""; })()`, selector, value))
}

// click clicks the first element that a selector finds, by its text.
func (p *page) click(selector, text string) {
	p.t.Helper()
	p.wait(15*time.Second, selector, text)
	eval[bool](p, fmt.Sprintf(`(() => { [...document.querySelectorAll(%q)].find((e) => e.textContent.includes(%q)).dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true })); return true; })()`, selector, text))
}

// unlock gives the token to the form.
func (p *page) unlock(token string) {
	p.t.Helper()
	if eval[bool](p, `sessionStorage.getItem("tenhop-token") !== null`) {
		return
	}
	p.do(chromedp.SendKeys(chromedp.CSS(`.unlock input`), token))
	p.click(".unlock button", "Unlock")
}

// shot keeps a screenshot where they are wanted.
func (p *page) shot(name string) {
	p.t.Helper()
	dir := os.Getenv("TENHOP_IMAGES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// clean fails if a script threw, or the content policy had to refuse something.
func (p *page) clean() {
	p.t.Helper()
	if s := p.errors.String(); s != "" {
		p.t.Errorf("the page has errors:\n%s", s)
	}
}
