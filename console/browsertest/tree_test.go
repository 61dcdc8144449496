package browsertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestTraceByKeyboard goes through a waterfall with the keys of a tree. The active row is in
// the document also where it is scrolled out of sight, and one row at most is selected.
func TestTraceByKeyboard(t *testing.T) {
	p := open(t, "light")
	p.do(chromedp.EmulateViewport(1440, 600)) // not all rows are in sight
	p.visit(canned(t) + "/trace/" + fmt.Sprintf("%032x", 1))
	p.wait(10*time.Second, ".fall .row", "")
	eval[bool](p, `(document.querySelector(".fallbar input[placeholder]").focus(), true)`)
	state := func() string {
		return eval[string](p, `(() => {
			const tree = document.activeElement;
			if (tree.getAttribute("role") !== "tree") return "focus is on " + tree.outerHTML.slice(0, 80);
			const row = document.getElementById(tree.getAttribute("aria-activedescendant"));
			if (!row || !tree.contains(row) || row.getAttribute("role") !== "treeitem") return "no active row";
			const selected = [...tree.querySelectorAll("[aria-selected=true]")].map((e) => e.id).join();
			return [row.id, "level " + row.ariaLevel, row.ariaPosInSet + " of " + row.ariaSetSize, row.ariaExpanded ?? "leaf", "selected " + (selected || "none"), document.querySelector(".detail") ? "details" : "no details"].join(", ");
		})()`)
	}
	for _, step := range []struct{ why, key, want string }{
		{"the tree is the next stop, with its first row", kb.Tab, "span-0, level 1, 1 of 1, true, selected none, no details"},
		{"the next row", kb.ArrowDown, "span-1, level 2, 1 of 1, true, selected none, no details"},
		{"an open row is folded", kb.ArrowLeft, "span-1, level 2, 1 of 1, false, selected none, no details"},
		{"its children are gone", kb.ArrowDown, "span-1, level 2, 1 of 1, false, selected none, no details"},
		{"a folded row is opened", kb.ArrowRight, "span-1, level 2, 1 of 1, true, selected none, no details"},
		{"into an open row", kb.ArrowRight, "span-2, level 3, 1 of 1, true, selected none, no details"},
		{"its details", kb.Enter, "span-2, level 3, 1 of 1, true, selected span-2, details"},
		{"details follow the active row", kb.ArrowDown, "span-3, level 4, 1 of 1, true, selected span-3, details"},
		{"the last row", kb.End, "span-23, level 24, 1 of 1, leaf, selected span-23, details"},
		{"from a leaf to its parent", kb.ArrowLeft, "span-22, level 23, 1 of 1, true, selected span-22, details"},
		{"no details", kb.Escape, "span-22, level 23, 1 of 1, true, selected none, no details"},
		{"the first row", kb.Home, "span-0, level 1, 1 of 1, true, selected none, no details"},
	} {
		p.do(chromedp.KeyEvent(step.key))
		until(t, 5*time.Second, fmt.Sprintf("%s: %s", step.why, step.want), func() error {
			if got := state(); got != step.want {
				return fmt.Errorf("it is %s", got)
			}
			return nil
		})
	}
	if eval[bool](p, `(() => { const b = document.querySelector(".fall .rows").getBoundingClientRect(), r = document.querySelector("#span-0").getBoundingClientRect(); return r.top < b.top - 1 || r.bottom > b.bottom + 1; })()`) {
		t.Error("the active row is out of sight")
	}
	eval[bool](p, `(document.querySelector(".fall .rows").scrollTop = 1e6, true)`)
	time.Sleep(200 * time.Millisecond)
	if got, want := state(), "span-0, level 1, 1 of 1, true, selected none, no details"; got != want {
		t.Errorf("scrolled away: %s, want %s", got, want)
	}
	// What closes the details gives the focus back to the tree.
	p.do(chromedp.KeyEvent(kb.Enter))
	p.shot("trace-details")
	p.click(".detail button", "✕")
	until(t, 5*time.Second, "the focus is in the tree", func() error {
		if got := state(); got != "span-0, level 1, 1 of 1, true, selected none, no details" {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	p.clean()
}

// TestTraceByMouse clicks a row of a waterfall that was scrolled: the row that was clicked is
// selected, where the active row was out of sight.
func TestTraceByMouse(t *testing.T) {
	p := open(t, "light")
	p.do(chromedp.EmulateViewport(1440, 600))
	p.visit(canned(t) + "/trace/" + fmt.Sprintf("%032x", 1))
	p.wait(10*time.Second, ".fall .row", "")
	eval[bool](p, `(document.querySelector(".fall .rows").scrollTop = 1e6, true)`)
	until(t, 5*time.Second, "the last row is drawn", func() error {
		if !eval[bool](p, `document.getElementById("span-23") !== null`) {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	at := eval[[]float64](p, `(() => { const r = document.querySelector("#span-20 .label").getBoundingClientRect(); return [r.right - 20, r.top + r.height / 2]; })()`)
	p.do(chromedp.MouseClickXY(at[0], at[1]))
	until(t, 5*time.Second, "the row is selected", func() error {
		if got := eval[string](p, `document.querySelector(".fall [aria-selected=true]")?.id ?? "none"`); got != "span-20" {
			return fmt.Errorf("%s is", got)
		}
		return nil
	})
	p.clean()
}

// TestTraceFits shows a trace with long names and the details of a span: values are wide enough
// to read, and no duration and no heading is cut.
func TestTraceFits(t *testing.T) {
	p := open(t, "light")
	url := canned(t)
	for _, width := range []int64{1440, 390} {
		p.do(chromedp.EmulateViewport(width, 844))
		p.visit(url + "/trace/" + fmt.Sprintf("%032x", 1) + "?span=" + fmt.Sprintf("%016x", 1))
		p.wait(10*time.Second, ".detail dd", "")
		p.wait(10*time.Second, ".fall .row .time", "")
		fits(p)
		if bad := eval[[]string](p, fmt.Sprintf(narrower, ".detail dd", 120)); len(bad) > 0 {
			t.Errorf("at %d px, too narrow to read: %q", width, bad)
		}
		if bad := eval[[]string](p, `[...document.querySelectorAll(".fall .time")].filter((e) => { const r = e.getBoundingClientRect(), l = e.parentElement.getBoundingClientRect(); return r.left < l.left - 1 || r.right > l.right + 1; }).map((e) => e.textContent)`); len(bad) > 0 {
			t.Errorf("at %d px, durations are cut: %q", width, bad)
		}
		if bad := eval[[]string](p, fmt.Sprintf(cut, ".detail h2")); len(bad) > 0 {
			t.Errorf("at %d px, the heading is cut: %q", width, bad)
		}
		p.shot(fmt.Sprintf("trace-fits-%d", width))
	}
	p.clean()
}
