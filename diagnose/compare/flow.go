package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/trace"
)

// LogLine is a log line that a service wrote while it handled a request.
type LogLine struct {
	Service, Message string
	Time             time.Time
}

// logSlack is the distance by which a log line may lie outside its span. Span times
// are often truncated to milliseconds.
const logSlack = 2 * time.Millisecond

// transition is a pair of consecutive events of a service while it handles a request.
// The request was received by operation. Events are calls, operations and log lines.
// The transition with after == whole stands for the traces that have the event before.
type transition struct{ service, operation, before, after string }

const (
	first = "begins" // the event before all others
	last  = "ends"   // the event after all others
	whole = ""
)

// endpoint is an operation with which a service receives requests.
type endpoint struct{ service, operation string }

// call is a call of an endpoint. operation is that of the client span, or "" if the
// calling span also received the request.
type call struct {
	operation string
	to        endpoint
}

// event is something that a service did; took is 0 for a log line and for a call.
type event struct {
	at   time.Time
	took time.Duration
	name string
}

// addFlow counts the transitions of a trace. For each span, parent holds the index of
// its parent, or -1, and root the index of the span with which its service received
// the request.
func (p *Profile) addFlow(t trace.Trace, logs []LogLine, parent, root []int) {
	work := make([][]event, len(t.Spans))
	callee := make([]int, len(t.Spans)) // by caller: 1 + index of the first remote child
	for i := range t.Spans {
		if par := parent[i]; par >= 0 && root[i] == i && callee[par] == 0 {
			callee[par] = i + 1
		}
	}
	for i, s := range t.Spans {
		name := s.Operation
		switch c := callee[i] - 1; {
		case root[i] == i && c < 0:
			continue
		case root[i] == i: // one span for the request received and the call made
			name, s.Start, s.Duration = p.call("", t.Spans[c]), t.Spans[c].Start, 0
		case c >= 0:
			name, s.Duration = p.call(name, t.Spans[c]), 0
		}
		work[root[i]] = append(work[root[i]], event{s.Start, s.Duration, name})
	}
	for _, l := range logs {
		if r := receiver(t, root, l); r >= 0 {
			work[r] = append(work[r], event{at: l.Time, name: template(l.Message)})
		}
	}
	for r, events := range work {
		if root[r] != r {
			continue
		}
		// Of events that start together, the enclosing one comes first. Calls in
		// parallel are in the order of their names: which takes longer is no order.
		slices.SortStableFunc(events, func(a, b event) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(b.took, a.took), strings.Compare(a.name, b.name))
		})
		k := transition{t.Spans[r].Service, t.Spans[r].Operation, first, whole}
		for _, e := range append(events, event{name: last}) {
			p.count(k, e.name)
			k.before = e.name
		}
	}
}

// call returns the name of the event of a call and records its callee.
func (p *Profile) call(operation string, callee trace.Span) string {
	c := call{operation, endpoint{callee.Service, callee.Operation}}
	name, ok := p.calls[c]
	if !ok {
		name = strings.TrimSpace(operation + " calls " + callee.Service + " " + callee.Operation)
		p.calls[c], p.called[name] = name, c.to
	}
	return name
}

// count counts the trace at hand for k.before, and for the transition from it to
// after. A trace counts once per transition.
func (p *Profile) count(k transition, after string) {
	for _, k.after = range [...]string{whole, after} {
		o := p.transitions[k]
		if o == nil {
			if len(p.transitions) >= maxTransitions {
				continue
			}
			o = &occurrence{}
			p.transitions[k] = o
		}
		if o.last != p.traces {
			o.traces, o.last = o.traces+1, p.traces
		}
	}
}

// occurrence counts traces; last is the number of the last one counted.
type occurrence struct{ traces, last int }

// receiver returns the index of the span during which a line was logged, among the
// spans with which its service received requests. It returns -1 if there is none.
func receiver(t trace.Trace, root []int, l LogLine) int {
	best, off := -1, time.Duration(math.MaxInt64)
	for i, s := range t.Spans {
		if root[i] != i || s.Service != l.Service {
			continue
		}
		d := max(s.Start.Sub(l.Time)-logSlack, l.Time.Sub(s.Start)-s.Duration-logSlack, 0)
		if d < off || (d == off && s.Start.After(t.Spans[best].Start)) {
			best, off = i, d
		}
	}
	return best
}

// template reduces a message to its constant words: the first maxWords distinct words
// without a digit. Variable words nearly always contain a digit.
func template(message string) string {
	words, digit, from := make([]string, 1, maxWords+1), false, 0
	words[0] = "logs"
	for i := 0; i <= len(message) && len(words) <= maxWords; i++ {
		if i < len(message) && !breaks[message[i]] {
			digit = digit || message[i] >= '0' && message[i] <= '9'
			continue
		}
		if w := message[from:i]; w != "" && !digit && !slices.Contains(words[1:], w) {
			words = append(words, w)
		}
		digit, from = false, i+1
	}
	return strings.Join(words, " ")
}

// breaks holds the bytes that separate words.
var breaks = func() (b [256]bool) {
	for _, c := range []byte(" \t\r\n[](){}<>,;:=\"'|") {
		b[c] = true
	}
	return b
}()

// transitionTest holds the frequency of a transition: x of n traces in the ordinary
// window, y of m now.
type transitionTest struct {
	transition
	p          float64
	x, n, y, m int
}

// flow returns, for each service, the transition whose frequency given its first
// event changed most significantly, by Fisher's exact test. The score is -log10 of P.
// A transition after a call is skipped if transitions of the callee changed, because
// the callee is then the cause.
func flow(base, now *Profile) map[string]Suspect {
	all, tests := testTransitions(base, now)
	changed := map[endpoint]bool{}
	for _, f := range all {
		if f.p*tests < maxP {
			changed[endpoint{f.service, f.operation}] = true
		}
	}
	surest := map[string]transitionTest{}
	for _, f := range all {
		if to, ok := now.called[f.before]; ok && changed[to] {
			continue
		}
		have, ok := surest[f.service]
		if !ok || f.p < have.p || (f.p == have.p && f.less(have.transition)) {
			surest[f.service] = f
		}
	}
	best := map[string]Suspect{}
	for service, f := range surest {
		best[service] = Suspect{Service: service, Operation: f.operation, Kind: Flow, P: f.p * tests, Score: max(-math.Log10(f.p*tests), 0),
			Evidence: fmt.Sprintf("after %q comes %q in %d of %d traces, now in %d of %d", f.before, f.after, f.x, f.n, f.y, f.m)}
	}
	return best
}

// testTransitions tests each transition of either window. tests is the factor of
// stats.CountTests.
func testTransitions(base, now *Profile) (all []transitionTest, tests float64) {
	transitions := map[transition]bool{}
	for _, p := range []*Profile{base, now} {
		for k := range p.transitions {
			if k.after != whole {
				transitions[k] = true
			}
		}
	}
	var least []float64
	for k := range transitions {
		before := k
		before.after = whole
		f := transitionTest{transition: k, x: base.traced(k), n: base.traced(before), y: now.traced(k), m: now.traced(before)}
		if f.n > 0 && f.m > 0 {
			f.p = stats.FisherTwoSided(f.x, f.n, f.y, f.m)
			all = append(all, f)
			least = append(least, stats.LeastFisher(f.x+f.y, f.n, f.m))
		}
	}
	return all, stats.CountTests(least, maxP)
}

// less orders transitions of one service.
func (k transition) less(o transition) bool {
	return cmp.Or(strings.Compare(k.operation, o.operation), strings.Compare(k.before, o.before),
		strings.Compare(k.after, o.after)) < 0
}

// traced returns the number of traces with a transition.
func (p *Profile) traced(k transition) int {
	if o := p.transitions[k]; o != nil {
		return o.traces
	}
	return 0
}
