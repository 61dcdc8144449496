package waterfall

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
)

var zero = time.Unix(1_000_000, 0)

func span(id, parent string, kind trace.Kind, from, to int) trace.Span {
	return trace.Span{ID: id, Parent: parent, Service: "s-" + id, Operation: "op", Kind: kind,
		Start: zero.Add(time.Duration(from) * time.Millisecond), Duration: time.Duration(to-from) * time.Millisecond}
}

func render(t *testing.T, width int, spans ...trace.Span) string {
	t.Helper()
	var b strings.Builder
	if err := Render(&b, &trace.Trace{ID: "t", Spans: spans}, width); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// find returns the words of a span's line, without the mark of the critical path, and
// whether it has the mark.
func find(t *testing.T, drawn, id string) (words []string, marked bool) {
	t.Helper()
	for line := range strings.Lines(drawn) {
		if strings.Contains(line, "s-"+id+" ") {
			return strings.Fields(line), strings.HasPrefix(line, string(critical))
		}
	}
	t.Fatalf("span %s is lost", id)
	return nil, false
}

func TestSelfTime(t *testing.T) {
	for _, c := range []struct {
		why   string
		spans []trace.Span
		want  int // ms of the span "root"
	}{
		{"no call", []trace.Span{span("root", "", "server", 0, 100)}, 100},
		{"parallel calls count once", []trace.Span{span("root", "", "server", 0, 100),
			span("a", "root", "client", 10, 60), span("b", "root", "client", 20, 70)}, 40},
		{"a call during another call adds nothing", []trace.Span{span("root", "", "server", 0, 100),
			span("a", "root", "client", 10, 60), span("b", "root", "client", 20, 30)}, 50},
		{"a child that outlives its parent counts up to the parent's end", []trace.Span{span("root", "", "server", 0, 100),
			span("a", "root", "client", 90, 300)}, 90},
		{"a child after its parent's end does not count", []trace.Span{span("root", "", "server", 0, 100),
			span("a", "root", "consumer", 150, 300)}, 100},
		{"a child that starts before its parent by clock skew counts in full", []trace.Span{span("root", "", "server", 0, 100),
			span("a", "root", "client", -50, 10)}, 40},
	} {
		t.Run(c.why, func(t *testing.T) {
			words, _ := find(t, render(t, 10, c.spans...), "root")
			if got, want := strings.Join(words, " "), fmt.Sprintf("100.0 ms %d.0 ms", c.want); !strings.Contains(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestCriticalPath(t *testing.T) {
	drawn := render(t, 0,
		span("root", "", "server", 0, 100),
		span("fast", "root", "client", 10, 30),
		span("slow", "root", "client", 10, 60), // overlaps fast and finishes later
		span("last", "root", "client", 60, 90),
		span("send", "root", "producer", 92, 95),
		span("consumer", "send", "consumer", 145, 200),
	)
	for id, want := range map[string]bool{"root": true, "fast": false, "slow": true, "last": true, "send": true, "consumer": true} {
		if _, got := find(t, drawn, id); got != want {
			t.Errorf("%s on the critical path: %v, want %v", id, got, want)
		}
	}
	if !strings.Contains(drawn, "(queue wait)") || !strings.Contains(drawn, "50.0 ms") {
		t.Errorf("no queue wait of 50 ms in\n%s", drawn)
	}
}

// A callee with clock skew stays on the critical path, whether the skew is a microsecond or
// longer than its duration.
func TestSkewedCallee(t *testing.T) {
	for _, skew := range []time.Duration{0, time.Microsecond, 2 * time.Millisecond, time.Hour, -time.Hour} {
		callee := span("payment", "call", "server", 1, 100)
		callee.Start = callee.Start.Add(skew)
		drawn := render(t, 0, span("gateway", "", "server", 0, 100), span("call", "gateway", "client", 1, 100), callee)
		if _, marked := find(t, drawn, "payment"); !marked {
			t.Errorf("skew %s: payment is not on the critical path\n%s", skew, drawn)
		}
	}
}

func TestCyclesAndMissingParents(t *testing.T) {
	drawn := render(t, 0, span("a", "b", "server", 0, 10), span("b", "a", "server", 0, 10), span("c", "gone", "server", 0, 10), span("d", "d", "server", 0, 10))
	for _, id := range []string{"a", "b", "c", "d"} {
		find(t, drawn, id)
	}
	if want := "1 spans have no parent here"; !strings.Contains(drawn, want) {
		t.Errorf("no %q in\n%s", want, drawn)
	}
}

func TestRender(t *testing.T) {
	hostile := span("a", "root", "client", 20, 80)
	hostile.Operation = "\x1b[31mred\n"
	drawn := render(t, 10, span("root", "", "server", 0, 100), hostile)
	if strings.ContainsRune(drawn, '\x1b') {
		t.Error("a control character reaches the terminal")
	}
	if want := "100.0 ms   40.0 ms ██░░░░░░██"; !strings.Contains(drawn, want) {
		t.Errorf("no %q in\n%s", want, drawn)
	}
	if empty := render(t, 10); !strings.Contains(empty, "0 spans") {
		t.Errorf("a trace without spans is drawn as\n%s", empty)
	}
}

// What a back end sends must neither reach the terminal as commands nor take time
// that grows with the square of a trace's depth.
func TestHostileTrace(t *testing.T) {
	var b strings.Builder
	if err := Render(&b, &trace.Trace{ID: "\x1b[2J", Spans: []trace.Span{span("1", "", trace.Server, 0, 1)}}, 0); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Errorf("the trace's ID reaches the terminal: %q", b.String())
	}
	const depth = 20_000
	spans := make([]trace.Span, depth)
	for i := range spans {
		spans[i] = span(strconv.Itoa(i+1), strconv.Itoa(i), trace.Internal, 0, depth-i)
	}
	spans[0].Parent = ""
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	render(t, 1, spans...)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 256<<20 {
		t.Errorf("a trace of %d spans took %d MB", depth, took>>20)
	}
}
