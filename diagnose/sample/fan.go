package sample

import (
	"cmp"
	"slices"
	"time"
)

// fanKey identifies the spans whose children are compared: operation of a service,
// within the handling of the operation hop.
type fanKey struct{ service, operation, hop string }

// fanOut describes how the children of a request's spans of one key ran. Times are sums
// over the spans. A call counts from start to end of its callee, if that has a span, so
// that time spent in front of the callee is not counted as overlap.
type fanOut struct {
	key      fanKey
	targets  []string      // services of the children
	calls    int           // children
	pairs    float64       // pairs of children of one span
	together float64       // pairs that overlap
	cut      float64       // pairs that overlap if each child is cut to the last part of it, as long as the shortest
	busy     time.Duration // time in which at least one child ran
	cutBusy  time.Duration // the same of the cut children
	cutTook  time.Duration // total length of the cut children
	spans    int           // spans with these children
	cutMost  int           // the most cut children that ran at once, summed over the spans
	longest  time.Duration // longest child
	shortest time.Duration // shortest child
	inside   bool          // the intervals are those of callees in other services
}

// interval is the time of a child, and its cut.
type interval struct{ from, to time.Duration }

// maxTargets is the number of services of children that are kept.
const maxTargets = 8

// fanMeasurer holds the buffers of fanOuts, for reuse.
type fanMeasurer struct {
	out      []fanOut
	at       map[fanKey]int
	todo     []int
	kids     []int
	ran      []interval // of the children, in the order of kids
	sorted   []interval // by start
	shortest map[[2]string]time.Duration
	starts   []time.Duration
	ends     []time.Duration
}

// fanOuts returns how the children ran of a span of the loaded trace and of all spans
// that it waited for. Spans with one child are left out. The slice is valid until the
// next call.
func (m *measurer) fanOuts(root int) []fanOut {
	f := &m.fans
	f.out = f.out[:0]
	if f.at == nil {
		f.at, f.shortest = map[fanKey]int{}, map[[2]string]time.Duration{}
	}
	clear(f.at)
	for f.todo = append(f.todo[:0], root); len(f.todo) > 0; {
		i := f.todo[len(f.todo)-1]
		f.kids = m.waitedFor(f.kids[:0], i)
		f.todo = append(f.todo[:len(f.todo)-1], f.kids...)
		if len(f.kids) > 1 {
			m.addFan(i)
		}
	}
	return f.out
}

// addFan adds the children of one span.
func (m *measurer) addFan(span int) {
	f := &m.fans
	s := &m.trace.Spans[span]
	key := fanKey{s.Service, s.Operation, m.trace.Spans[m.tree.Hop(span)].Operation}
	at, ok := f.at[key]
	if !ok {
		at = len(f.out)
		f.at[key] = at
		f.out = append(f.out, fanOut{key: key, inside: true})
	}
	o := &f.out[at]
	clear(f.shortest)
	for _, c := range f.kids {
		of, took := m.worker(c), m.tree.Took(m.worker(c))
		name := [2]string{m.trace.Spans[of].Service, m.trace.Spans[of].Operation}
		if d, ok := f.shortest[name]; !ok || took < d {
			f.shortest[name] = took
		}
		if to := m.serviceOf(c); !slices.Contains(o.targets, to) && len(o.targets) < maxTargets {
			o.targets = append(o.targets, to)
		}
		o.inside = o.inside && of != c
	}
	f.ran = f.ran[:0]
	longest, shortest := time.Duration(0), m.tree.Took(m.worker(f.kids[0]))
	for _, c := range f.kids {
		of := m.worker(c)
		f.ran = append(f.ran, interval{m.tree.Start(of), m.tree.End(of)})
		longest, shortest = max(longest, m.tree.Took(of)), min(shortest, m.tree.Took(of))
	}
	together, _, busy := m.overlap(overlapSlack)
	for k, c := range f.kids {
		of := &m.trace.Spans[m.worker(c)]
		f.ran[k].from = max(f.ran[k].from, f.ran[k].to-f.shortest[[2]string{of.Service, of.Operation}])
		o.cutTook += f.ran[k].to - f.ran[k].from
	}
	cut, most, cutBusy := m.overlap(cutSlack)
	o.spans++
	o.cutMost += most
	n := float64(len(f.kids))
	o.calls += len(f.kids)
	o.pairs += n * (n - 1) / 2
	o.together, o.cut = o.together+together, o.cut+cut
	o.busy, o.cutBusy = o.busy+busy, o.cutBusy+cutBusy
	o.longest, o.shortest = o.longest+longest, o.shortest+shortest
}

// worker returns the callee of a call, or the span itself.
func (m *measurer) worker(i int) int {
	if m.trace.Spans[i].Kind.Calls() {
		if c := m.tree.Callee(i); c >= 0 {
			return c
		}
	}
	return i
}

// serviceOf returns the service that a child runs in or calls.
func (m *measurer) serviceOf(i int) string {
	of := &m.trace.Spans[m.worker(i)]
	if of.Kind.Calls() {
		return cmp.Or(of.Peer(), of.Service)
	}
	return of.Service
}

// Fractions of a child's duration by which two children may overlap and still follow
// each other. That of cut children is larger, because the shortest child differs from
// the time that a worker takes for another one.
const (
	overlapSlack = .05
	cutSlack     = .3
)

// overlap returns the number of pairs of m.fans.ran that overlap, the most that overlap
// at once, and the length of their union.
func (m *measurer) overlap(slack float64) (pairs float64, most int, busy time.Duration) {
	f := &m.fans
	f.starts, f.ends = f.starts[:0], f.ends[:0]
	for _, r := range f.ran {
		off := time.Duration(slack / 2 * float64(r.to-r.from))
		f.starts, f.ends = append(f.starts, r.from+off), append(f.ends, r.to-off)
	}
	slices.Sort(f.starts)
	slices.Sort(f.ends)
	ended := 0
	for started, at := range f.starts {
		for ended < len(f.ends) && f.ends[ended] <= at && ended < started {
			ended++
		}
		pairs += float64(started - ended)
		most = max(most, started-ended+1)
	}
	f.sorted = append(f.sorted[:0], f.ran...)
	slices.SortFunc(f.sorted, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	last := time.Duration(-1 << 62)
	for _, r := range f.sorted {
		if r.to > last {
			busy += r.to - max(r.from, last)
			last = r.to
		}
	}
	return pairs, most, busy
}
