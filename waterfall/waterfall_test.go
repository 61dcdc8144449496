package waterfall

import (
	"strings"
	"testing"
	"time"
)

var zero = time.Unix(1_000_000, 0)

func span(id, parent, kind string, from, to int) *Span {
	return &Span{ID: id, Parent: parent, Service: "s-" + id, Operation: "op", Kind: kind,
		Start: zero.Add(time.Duration(from) * time.Millisecond), Duration: time.Duration(to-from) * time.Millisecond}
}

func find(t *testing.T, tr *Trace, id string) *Span {
	t.Helper()
	for _, s := range tr.Spans {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("span %s is lost", id)
	return nil
}

func TestSelfTime(t *testing.T) {
	for _, c := range []struct {
		why   string
		spans []*Span
		want  int // ms of the span "root"
	}{
		{"no call", []*Span{span("root", "", "server", 0, 100)}, 100},
		{"parallel calls count once", []*Span{span("root", "", "server", 0, 100), span("a", "root", "client", 10, 60), span("b", "root", "client", 20, 70)}, 40},
		{"a call within a call adds nothing", []*Span{span("root", "", "server", 0, 100), span("a", "root", "client", 10, 60), span("b", "root", "client", 20, 30)}, 50},
		{"a child that outlives its parent counts as far as the parent goes", []*Span{span("root", "", "server", 0, 100), span("a", "root", "client", 90, 300)}, 90},
		{"a child after the end counts nothing", []*Span{span("root", "", "server", 0, 100), span("a", "root", "consumer", 150, 300)}, 100},
		{"a child that a skewed clock puts before its parent", []*Span{span("root", "", "server", 0, 100), span("a", "root", "client", -50, 10)}, 90},
	} {
		t.Run(c.why, func(t *testing.T) {
			got := find(t, New("t", c.spans), "root").Self
			if want := time.Duration(c.want) * time.Millisecond; got != want {
				t.Errorf("self time %s, want %s", got, want)
			}
		})
	}
}

func TestCriticalPath(t *testing.T) {
	tr := New("t", []*Span{
		span("root", "", "server", 0, 100),
		span("fast", "root", "client", 10, 30),
		span("slow", "root", "client", 10, 60), // fast's sibling, waited for longer
		span("last", "root", "client", 60, 90),
		span("send", "root", "producer", 92, 95),
		span("consumer", "send", "consumer", 145, 200),
	})
	for id, want := range map[string]bool{"root": true, "fast": false, "slow": true, "last": true, "send": true, "consumer": true} {
		if got := find(t, tr, id).Critical; got != want {
			t.Errorf("%s on the critical path: %v, want %v", id, got, want)
		}
	}
	if q := find(t, tr, "consumer").Queue; q != 50*time.Millisecond {
		t.Errorf("queue wait %s, want 50ms", q)
	}
}

func TestCyclesAndMissingParents(t *testing.T) {
	tr := New("t", []*Span{span("a", "b", "server", 0, 10), span("b", "a", "server", 0, 10), span("c", "gone", "server", 0, 10), span("d", "d", "server", 0, 10)})
	if len(tr.Spans) != 4 {
		t.Errorf("%d of 4 spans are there", len(tr.Spans))
	}
}

func TestRender(t *testing.T) {
	hostile := span("a", "root", "client", 20, 80)
	hostile.Operation = "\x1b[31mred\n"
	var b strings.Builder
	if err := Render(&b, New("t", []*Span{span("root", "", "server", 0, 100), hostile}), 10); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(b.String(), '\x1b') {
		t.Error("a control character reaches the terminal")
	}
	if want := "100.0 ms   40.0 ms ██░░░░░░██"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
}
