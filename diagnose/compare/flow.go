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

// LogLine is one line a service wrote while it worked on a trace.
type LogLine struct {
	Service, Message string
	Time             time.Time
}

// logSlack is how far a line may lie outside the span it belongs to: clocks of
// spans are often cut to milliseconds.
const logSlack = 2 * time.Millisecond

// step is what a service does next: in its work on a request that entered it by
// entry, after comes right behind before. Calls, operations of its own and log
// lines count, in the order of time. after == whole counts the traces with before.
type step struct{ service, entry, before, after string }

const (
	first = "begins"
	last  = "ends"
	whole = ""
)

// entry is where work on a request begins at a service.
type entry struct{ service, operation string }

// call is an operation of a service's own that calls another, or "" where the
// call has no span of its own.
type call struct {
	operation string
	to        entry
}

type event struct {
	at   time.Time
	took time.Duration
	name string
}

// addFlow counts the steps of a trace. parent and root hold, for every span,
// the index of its parent (-1 for none) and that of the span with which its
// service began this piece of work.
func (p *Profile) addFlow(t trace.Trace, logs []LogLine, parent, root []int) {
	work := make([][]event, len(t.Spans))
	callee := make([]int, len(t.Spans)) // by caller: the first remote child + 1
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
		case root[i] == i: // a span that receives and calls in one
			name, s.Start = p.call("", t.Spans[c]), t.Spans[c].Start
		case c >= 0:
			name = p.call(name, t.Spans[c])
		}
		work[root[i]] = append(work[root[i]], event{s.Start, s.Duration, name})
	}
	for _, l := range logs {
		if r := home(t, root, l); r >= 0 {
			work[r] = append(work[r], event{at: l.Time, name: template(l.Message)})
		}
	}
	for r, events := range work {
		if root[r] != r {
			continue
		}
		slices.SortStableFunc(events, func(a, b event) int { // what encloses another comes first
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(b.took, a.took))
		})
		k := step{t.Spans[r].Service, t.Spans[r].Operation, first, whole}
		for _, e := range append(events, event{name: last}) {
			p.count(k, e.name)
			k.before = e.name
		}
	}
}

// call names an event and keeps whom it calls.
func (p *Profile) call(operation string, callee trace.Span) string {
	c := call{operation, entry{callee.Service, callee.Operation}}
	name, ok := p.calls[c]
	if !ok {
		name = strings.TrimSpace(operation + " calls " + callee.Service + " " + callee.Operation)
		p.calls[c], p.called[name] = name, c.to
	}
	return name
}

func (p *Profile) count(k step, after string) {
	for _, k.after = range [...]string{whole, after} {
		o := p.steps[k]
		if o == nil {
			if len(p.steps) >= maxSteps {
				continue
			}
			o = &occurrence{}
			p.steps[k] = o
		}
		if o.last != p.traces {
			o.traces, o.last = o.traces+1, p.traces
		}
	}
}

// occurrence counts the traces in which something happens.
type occurrence struct{ traces, last int }

// home returns the span with which the work began that wrote a line, or -1.
func home(t trace.Trace, root []int, l LogLine) int {
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

// template reduces a message to its constant words: those without a digit,
// each once, the first maxWords of them. What differs from line to line nearly
// always holds a digit, or comes in lists of words that repeat.
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

// breaks says which bytes part words.
var breaks = func() (b [256]bool) {
	for _, c := range []byte(" \t\r\n[](){}<>,;:=\"'|") {
		b[c] = true
	}
	return b
}()

// found is a step and how often it was taken: in x of n traces, now in y of m.
type found struct {
	step
	p          float64
	x, n, y, m int
}

// flow finds the steps that became more or less frequent after what came before
// them, by Fisher's exact test, and returns the surest of each service. The
// score is -log10 of P. What a service does otherwise right after a call is not
// its own doing when the called does its work otherwise too.
func flow(base, now *Profile) map[string]Suspect {
	all, tests := compareSteps(base, now)
	changed := map[entry]bool{}
	for _, f := range all {
		if f.p*tests < maxP {
			changed[entry{f.service, f.entry}] = true
		}
	}
	surest := map[string]found{}
	for _, f := range all {
		if to, ok := now.called[f.before]; ok && changed[to] {
			continue
		}
		have, ok := surest[f.service]
		if !ok || f.p < have.p || (f.p == have.p && f.less(have.step)) {
			surest[f.service] = f
		}
	}
	best := map[string]Suspect{}
	for service, f := range surest {
		best[service] = Suspect{Service: service, Operation: f.entry, Kind: Flow, P: f.p * tests, Score: max(-math.Log10(f.p*tests), 0),
			Evidence: fmt.Sprintf("after %q comes %q in %d of %d traces, now in %d of %d", f.before, f.after, f.x, f.n, f.y, f.m)}
	}
	return best
}

// compareSteps tests every step of either time, and counts the tests.
func compareSteps(base, now *Profile) (all []found, tests float64) {
	steps := map[step]bool{}
	for _, p := range []*Profile{base, now} {
		for k := range p.steps {
			if k.after != whole {
				steps[k] = true
			}
		}
	}
	var least []float64
	for k := range steps {
		before := k
		before.after = whole
		f := found{step: k, x: base.traced(k), n: base.traced(before), y: now.traced(k), m: now.traced(before)}
		if f.n > 0 && f.m > 0 {
			f.p = stats.FisherTwoSided(f.x, f.n, f.y, f.m)
			all = append(all, f)
			least = append(least, stats.LeastFisher(f.x+f.y, f.n, f.m))
		}
	}
	return all, stats.CountTests(least, maxP)
}

func (k step) less(o step) bool {
	return cmp.Or(strings.Compare(k.entry, o.entry), strings.Compare(k.before, o.before), strings.Compare(k.after, o.after)) < 0
}

func (p *Profile) traced(k step) int {
	if o := p.steps[k]; o != nil {
		return o.traces
	}
	return 0
}
