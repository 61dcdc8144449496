package trace

import (
	"testing"
	"time"
)

func TestTree(t *testing.T) {
	for _, c := range []struct {
		name, why, trace         string
		order, roots             string // order may begin with the root alone
		parents                  map[string]string
		missing, duplicates      string
		root                     string // the first of roots where empty; "none"
		entry, hopOfLast, callee string
	}{
		{name: "order", why: "parents before children, siblings by their start, whatever the order of the spans",
			trace: `
				d b s internal 6-7
				c a s internal 20-30
				b a s internal 5-10
				a - s server 0-100`,
			order: "a b d c", roots: "a"},
		{name: "equal starts", why: "the longer one comes first, as a tree is read",
			trace: `
				a - s server 0-100
				b a s internal 5-10
				c a s internal 5-20`,
			order: "a c b", roots: "a"},
		{name: "root", why: "a span without a parent is the root, though one whose parent is missing started before it",
			trace: `
				x gone t server -10..5
				b - s server 2-60
				a - s server 0-50`,
			order: "a b x", roots: "a b x", missing: "x"},
		{name: "root's parent is elsewhere", why: "a browser sends no spans: the trace is complete nevertheless",
			trace: `
				a browser s server 0-100
				b a s client 5-10`,
			order: "a b", roots: "a"},
		{name: "its own parent", why: "a span that names itself has no parent, and misses none",
			trace: `a a s server 0-10`, order: "a", roots: "a"},
		{name: "adopted", why: "the shortest span that ran all the while is the likeliest parent",
			trace: `
				a - gateway server 0-100
				b a gateway client 10-90
				c a gateway client 20-30
				d gone payment server 12-80
				e d payment client 13-14`,
			order: "a b d e c", roots: "a", missing: "d", parents: map[string]string{"d": "b", "c": "a"}},
		{name: "nothing to adopt it", why: "no span ran all the while: it stays a root",
			trace: `
				a - gateway server 0-100
				d gone payment server 50-200`,
			order: "a d", roots: "a d", missing: "d"},
		{name: "not by its own child", why: "a descendant that sticks out would make a cycle",
			trace: `
				a - gateway server 0-100
				d gone payment server 20-50
				e d payment internal 10-60`,
			order: "a d e", roots: "a", missing: "d", parents: map[string]string{"d": "a", "e": "d"}},
		{name: "not by each other", why: "two orphans with the same times must not adopt each other",
			trace: `
				a - gateway server 0-10
				d gone payment server 20-50
				e lost payment server 20-50`,
			order: "a e d", roots: "a e", missing: "d e", parents: map[string]string{"d": "e"}},
		{name: "duplicate", why: "a span that was sent twice is there once",
			trace: `
				a - s server 0-10
				b a s client 4-5
				b a s client 4-5
				a - s server 3-5`,
			order: "a b", roots: "a", duplicates: "a b"},
		{name: "no ID", why: "spans without an ID are no duplicates of each other, and nobody's parent",
			trace: `
				a - s server 0-10
				. a s internal 1-2
				. a s internal 3-4`,
			order: "a  ", roots: "a"},
		{name: "cycle", why: "it is cut above its first span; nothing else is the root",
			trace: `
				b a s server 1-5
				a c s server 0-10
				c b s server 2-3`,
			order: "a b c", roots: "a", root: "none"},
		{name: "cycle beside a request", why: "the request's root is the one without a parent, though it starts later",
			trace: `
				a b s server 0-10
				b a s server 0-9
				r - s server 5-8
				x b s internal 2-3`,
			order: "r a b x", roots: "r a", root: "r"},
		{name: "shopper's client", why: "what a customer's own client measured is not the entry's",
			trace: `
				a - shopper client 0-100
				d a shopper internal 1-2
				b a gateway server 10-90`,
			order: "a d b", roots: "a", entry: "b", callee: "b"},
		{name: "hop", why: "a store's span belongs to the operation that the service serves",
			trace: `
				a - gateway server 0-100
				b a gateway client 10-90
				c b payment server 20-80
				d c payment internal 30-70
				e d payment client 40-50`,
			order: "a b c d e", roots: "a", hopOfLast: "c"},
		{name: "a service that calls itself", why: "a server's span begins a hop of its own, in the same service, too",
			trace: `
				a - s server 0-100
				b a s client 10-90
				c b s server 20-80
				d c s internal 30-40`,
			order: "a b c d", roots: "a", hopOfLast: "c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := parse(t, c.trace)
			for i := range tr.Spans {
				if tr.Spans[i].ID == "." {
					tr.Spans[i].ID = ""
				}
			}
			tree := NewTree(tr)
			check := func(what, got, want string) {
				if got != want {
					t.Errorf("%s is %q, want %q: %s", what, got, want, c.why)
				}
			}
			check("order", ids(tree, tree.Order()), c.order)
			check("roots", ids(tree, tree.Roots()), c.roots)
			check("missing", ids(tree, tree.Missing()), c.missing)
			check("duplicates", ids(tree, tree.Duplicates()), c.duplicates)
			if tree.Complete() != (c.missing == "") {
				t.Errorf("complete is %v: %s", tree.Complete(), c.why)
			}
			for child, parent := range c.parents {
				check("parent of "+child, ids(tree, []int{tree.Parent(find(tree, child))}), parent)
			}
			switch {
			case c.root == "none":
				if tree.Root() != None || tree.Entry() != None {
					t.Errorf("root is %d, want none: %s", tree.Root(), c.why)
				}
				return
			case c.root != "":
				check("root", tree.Span(tree.Root()).ID, c.root)
			case tree.Root() != tree.Roots()[0]:
				t.Error("the root is not the first of the roots")
			}
			if c.entry == "" {
				c.entry = tree.Span(tree.Root()).ID
			}
			check("entry", tree.Span(tree.Entry()).ID, c.entry)
			if c.hopOfLast != "" {
				last := tree.Order()[len(tree.Order())-1]
				check("hop", tree.Span(tree.Hop(last)).ID, c.hopOfLast)
			}
			if c.callee != "" {
				check("callee of the root", tree.Span(tree.Callee(tree.Root())).ID, c.callee)
			}
		})
	}
}

func TestEmptyTree(t *testing.T) {
	tree := NewTree(&Trace{})
	if tree.Root() != None || tree.Entry() != None || len(tree.Order()) != 0 || !tree.Complete() || len(tree.CriticalPaths()) != 0 {
		t.Error("a trace without spans has a root, or is not complete")
	}
}

func TestSkew(t *testing.T) {
	for _, c := range []struct {
		name, why, trace string
		span             string
		from, to         float64 // ms since Origin
		origin           float64 // ms since the recorded root
	}{
		{name: "within", why: "a callee within its call is left alone, though not in its middle", span: "c", from: 12, to: 50, trace: `
			a - gateway server 0-100
			b a gateway client 10-90
			c b payment server 12-50`},
		{name: "ahead", why: "centered in its call", span: "c", from: 30, to: 70, trace: `
			a - gateway server 0-100
			b a gateway client 10-90
			c b payment server 3012-3052`},
		{name: "behind", why: "centered in its call; the trace starts with the root, not with a clock that is behind", span: "c", from: 30, to: 70, trace: `
			a - gateway server 0-100
			b a gateway client 10-90
			c b payment server -3012..-2972`},
		{name: "descendants", why: "spans by the same clock move with it", span: "d", from: 35, to: 40, trace: `
			a - gateway server 0-100
			b a gateway client 10-90
			c b payment server 3012-3052
			d c payment internal 3017-3022`},
		{name: "longer", why: "a callee that took longer than its call is only moved so that it does not begin before", span: "c", from: 10, to: 210, trace: `
			a - gateway server 0-100
			b a gateway client 10-90
			c b payment server -20..180`},
		{name: "went on", why: "a callee that went on after its caller gave up is where it was", span: "c", from: 20, to: 300, trace: `
			a - gateway server 0-100
			b a gateway client 10-90
			c b payment server 20-300`},
		{name: "a tick", why: "a microsecond is no clock of its own", span: "c", from: 11, to: 90.001, trace: `
			a - gateway server 0-100
			b a gateway client 10-90
			c b payment server 11-90.001`},
		{name: "a long call", why: "a fiftieth of a long call is more than clocks of one machine differ by", span: "c", from: 12, to: 9998, trace: `
			a - gateway server 0-11000
			b a gateway client 10-10000
			c b payment server 112-10098`},
		{name: "consumer", why: "a consumer starts when it starts", span: "c", from: 300, to: 310, trace: `
			a - gateway server 0-100
			b a gateway producer 10-90
			c b payment consumer 300-310`},
		{name: "same service", why: "a span of the same service has the same clock: it did start after its parent", span: "c", from: 300, to: 310, trace: `
			a - gateway server 0-100
			c a gateway producer 300-310`},
		{name: "another replica", why: "a server's span of the same service may be of another machine", span: "c", from: 45, to: 55, trace: `
			a - gateway client 0-100
			c a gateway server 300-310`},
		{name: "origin", why: "what started before the root is where offsets begin", span: "a", from: 7, to: 107, origin: -7, trace: `
			a - gateway server 0-100
			c a gateway internal -7..-1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := NewTree(parse(t, c.trace))
			i := find(tree, c.span)
			if tree.Start(i) != ms(c.from) || tree.End(i) != ms(c.to) {
				t.Errorf("%s to %s, want %v to %v ms: %s", tree.Start(i), tree.End(i), c.from, c.to, c.why)
			}
			if got := tree.Origin().Sub(epoch); got != ms(c.origin) {
				t.Errorf("origin is %s after the root, want %v ms", got, c.origin)
			}
			if at := tree.Span(i).Start.Add(tree.Shift(i)); !at.Equal(tree.Origin().Add(tree.Start(i))) {
				t.Errorf("shift %s does not lead from the recorded start to %s", tree.Shift(i), at)
			}
		})
	}
}

func TestAsync(t *testing.T) {
	for _, c := range []struct {
		why, trace string // of span "c", whose parent is "p"
		want       bool
	}{
		{"a call", "p - s server 0-100\nc p s client 10-90", false},
		{"a callee", "p - s client 0-100\nc p t server 10-90", false},
		{"a consumer behind the queue", "p - s producer 0-10\nc p t consumer 20-30", true},
		{"a consumer that starts before its producer has ended", "p - s producer 0-10\nc p t consumer 5-8", true},
		{"sent from an outbox after the request", "p - s server 0-100\nc p s producer 150-160", true},
		{"started as the parent ended", "p - s server 0-100\nc p s internal 100-100.5", true},
		{"started as a parent without duration did: an instant span that stands for a group", "p - s internal 5-5\nc p s internal 5-5.5", false},
		{"started after a parent without duration", "p - s internal 5-5\nc p s internal 6-7", true},
		{"goes on behind the answer", "p - s server 0-100\nc p s internal 90-200", true},
		{"ends within a millisecond: a deferred end", "p - s server 0-100\nc p s internal 90-101", false},
		{"a callee that went on after its caller gave up was waited for until then", "p - s client 0-100\nc p t server 10-500", false},
		{"a callee by a clock that is ahead", "p - s client 0-100\nc p t server 3010-3090", false},
		{"a callee that took longer than its call and started after it: no clock explains that", "p - s client 0-100\nc p t server 300-500", true},
		{"ran before its parent", "p - s server 0-100\nc p s internal -20..-10", false},
	} {
		t.Run(c.why, func(t *testing.T) {
			tree := NewTree(parse(t, c.trace))
			if got := tree.Async(find(tree, "c")); got != c.want {
				t.Errorf("asynchronous: %v, want %v", got, c.want)
			}
		})
	}
}

func TestQueue(t *testing.T) {
	for _, c := range []struct {
		why, trace string // of span "c"
		want       Queue
		ok         bool
	}{
		{"a record waits from its producer's end", "a - s producer 0-10\nc a t consumer 30-40", Queue{Topic, ms(10), ms(30)}, true},
		{"what the consumer measured is nearer the truth", "a - s producer 0-40\nc a t consumer 100-150 hop.queue_wait_ms=80", Queue{Topic, ms(20), ms(100)}, true},
		{"but no record waits before it is produced", "a - s producer 0-40\nc a t consumer 100-150 hop.queue_wait_ms=1e300", Queue{Topic, 0, ms(100)}, true},
		{"what is not a number does not count", "a - s producer 0-40\nc a t consumer 100-150 hop.queue_wait_ms=NaN", Queue{Topic, ms(40), ms(100)}, true},
		{"a negative wait does not count", "a - s producer 0-40\nc a t consumer 100-150 hop.queue_wait_ms=-5", Queue{Topic, ms(40), ms(100)}, true},
		{"no wait", "a - s producer 0-40\nc a t consumer 20-50", Queue{}, false},
		{"an event that its request left behind", "a - s server 0-100\nc a s producer 150-160", Queue{Outbox, ms(100), ms(150)}, true},
		{"an event that is sent at once", "a - s server 0-100\nc a s producer 50-60", Queue{}, false},
		{"a call after the end is no queue", "a - s server 0-100\nc a s client 150-160", Queue{}, false},
		{"a consumer without a producer", "c - s consumer 150-160 hop.queue_wait_ms=5", Queue{}, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			tree := NewTree(parse(t, c.trace))
			q, ok := tree.Queue(find(tree, "c"))
			if ok != c.ok || ok && q != c.want {
				t.Errorf("%v %v, want %v %v", q, ok, c.want, c.ok)
			}
		})
	}
}

func TestSelf(t *testing.T) {
	for _, c := range []struct {
		why, trace string // of span "a"
		want       float64
		busy       string
	}{
		{"no call", "a - s server 0-100", 100, "a 0-100"},
		{"serial calls", "a - s server 0-100\nb a s client 10-40\nc a s client 50-60", 60, "a 0-10, a 40-50, a 60-100"},
		{"parallel calls count once", "a - s server 0-100\nb a s client 10-60\nc a s client 20-70", 40, "a 0-10, a 70-100"},
		{"a call within a call adds nothing", "a - s server 0-100\nb a s client 10-60\nc a s client 20-30", 50, "a 0-10, a 60-100"},
		{"a callee that goes on counts as far as its caller goes", "a - s client 0-100\nb a t server 90-300", 90, "a 0-90"},
		{"a consumer is no part of its producer's time", "a - s producer 0-10\nb a t consumer 5-30", 10, "a 0-10"},
		{"what goes on behind the answer is no wait", "a - s server 0-100\nb a s internal 90-300", 100, "a 0-100"},
		{"what ran before counts nothing", "a - s server 0-100\nb a s internal -30..-10", 100, "a 30-130"},
		{"what began before counts from the start", "a - s server 0-100\nb a s internal -30..20", 80, "a 50-130"},
		{"a callee by another clock covers as much as it took", "a - s client 0-100\nb a t server 3000-3080", 20, "a 0-10, a 90-100"},
		{"a negative duration is none", "a - s server 10-0\nb a s client 10-10", 0, ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			tree := NewTree(parse(t, c.trace))
			i := find(tree, "a")
			if got := tree.Self(i); got != ms(c.want) {
				t.Errorf("self time %s, want %v ms", got, c.want)
			}
			if got := show(tree, tree.Busy(i)); got != c.busy {
				t.Errorf("busy %q, want %q", got, c.busy)
			}
		})
	}
}

func TestCompleteFor(t *testing.T) {
	known := map[string]bool{"payment": true}
	for _, c := range []struct {
		why, trace string
		want       bool
	}{
		{"whole", "a - s server 0-100\nb a s client 10-90 peer.service=payment\nc b payment server 20-80", true},
		{"the callee's spans are not here", "a - s server 0-100\nb a s client 10-90 peer.service=payment", false},
		{"a store has none anywhere", "a - s server 0-100\nb a s client 10-90 peer.service=db", true},
		{"a producer's consumer may still come", "a - s server 0-100\nb a s producer 10-90 peer.service=payment", true},
		{"a parent is missing", "a - s server 0-100\nb gone t server 10-90", false},
	} {
		t.Run(c.why, func(t *testing.T) {
			if got := NewTree(parse(t, c.trace)).CompleteFor(known); got != c.want {
				t.Errorf("complete: %v, want %v", got, c.want)
			}
		})
	}
}

// One Tree serves many traces: what a large or a damaged one left does not show.
func TestLoadAgain(t *testing.T) {
	tree := &Tree{}
	small := parse(t, "a - s server 0-100\nb a s client 10-90\nc gone t server 20-30")
	want := show(NewTree(small), NewTree(small).CriticalPath(NewTree(small).Root()))
	for _, other := range []*Trace{siblings(3000, true), parse(t, "a b s server 0-1\nb a s server 0-1"), {}} {
		tree.Load(other)
		tree.CriticalPaths()
		tree.Load(small)
		if got := show(tree, tree.CriticalPath(tree.Root())); got != want || tree.Duration() != 100*time.Millisecond || len(tree.Missing()) != 1 {
			t.Errorf("after another trace: %s, want %s", got, want)
		}
	}
}
