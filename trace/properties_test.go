package trace

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// check holds a tree to what is true of every trace.
func check(t *testing.T, tree *Tree) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf(format, args...)
		t.Fatalf("%+v", tree.Trace())
	}
	if n := len(tree.Order()) + len(tree.Duplicates()); n != tree.Len() {
		fail("%d of %d spans are in the tree or duplicates", n, tree.Len())
	}
	place := make([]int, tree.Len())
	for i := range place {
		place[i] = None
	}
	for at, i := range tree.Order() {
		if place[i] != None {
			fail("span %d comes twice", i)
		}
		place[i] = at
		if p := tree.Parent(i); p != None && (place[p] == None || !slices.Contains(tree.Children(p), i) || tree.Depth(i) != tree.Depth(p)+1) {
			fail("span %d does not come after its parent %d, or below it", i, p)
		}
		if tree.Start(i) < 0 || tree.End(i) < tree.Start(i) || tree.End(i) > tree.Duration() {
			fail("span %d is from %s to %s of %s", i, tree.Start(i), tree.End(i), tree.Duration())
		}
		if !slices.IsSortedFunc(tree.Children(i), func(a, b int) int { return int(tree.Start(a) - tree.Start(b)) }) {
			fail("children of %d are not by their start", i)
		}
		busy := sumOf(fail, tree.Busy(i), tree.Start(i), tree.End(i))
		if self := tree.Self(i); self != busy || self > tree.Took(i) {
			fail("self time of %d is %s, its segments' %s, its duration %s", i, self, busy, tree.Took(i))
		}
		tree.Queue(i)
		tree.Callee(i)
		path := tree.CriticalPath(i)
		if sum := sumOf(fail, path, tree.Start(i), tree.End(i)); sum != tree.Took(i) {
			fail("the critical path of %d adds up to %s of %s", i, sum, tree.Took(i))
		}
		charged, shared := map[int]time.Duration{}, map[int]time.Duration{}
		for _, s := range tree.AppendShares(nil, i) {
			if _, twice := shared[s.Span]; twice || s.Time < 0 {
				fail("span %d has several shares of the path of %d, or less than none", s.Span, i)
			}
			shared[s.Span] = s.Time
		}
		for _, s := range path {
			charged[s.Span] += s.Took()
			if s.From < tree.Start(s.Span) || s.To > tree.End(s.Span) {
				fail("%d is charged with time outside it", s.Span)
			}
		}
		for s, time := range shared {
			if time != charged[s] {
				fail("share of %d is %s, its segments' %s", s, time, charged[s])
			}
			delete(charged, s)
		}
		if len(charged) > 0 {
			fail("spans without a share are on the path of %d: %v", i, charged)
		}
		if took := tree.Took(i); tree.Duration() < 1<<53 { // of which floating point keeps every digit
			if same := tree.Replay(i, func(int, time.Duration) float64 { return 1 }); same != took {
				fail("span %d took %s, played again %s", i, took, same)
			}
		}
	}
	// No moment of a span is in two paths.
	all := tree.CriticalPaths()
	slices.SortStableFunc(all, func(a, b Segment) int { return a.Span - b.Span })
	for i := 1; i < len(all); i++ {
		if a, b := all[i-1], all[i]; a.Span == b.Span && b.From < a.To {
			fail("span %d is on two paths", a.Span)
		}
	}
	FirstFailing(tree.Trace())
	Relations(tree.Trace())
}

// sumOf adds segments up that must follow one another within bounds.
func sumOf(fail func(string, ...any), segments []Segment, from, to time.Duration) (sum time.Duration) {
	for _, s := range segments {
		if s.From >= s.To || s.From < from || s.To > to {
			fail("segment %+v of %s to %s", s, from, to)
		}
		sum, from = sum+s.Took(), s.To
	}
	return sum
}

func TestProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	tree := &Tree{}
	for range 3000 {
		tree.Load(tangle(rng, 1+rng.IntN(14)))
		check(t, tree)
	}
	for range 20 {
		tree.Load(tangle(rng, 200))
		check(t, tree)
	}
}

// The order in which spans come is chance.
func TestOrderDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 3000 {
		tr := tangle(rng, 1+rng.IntN(14))
		mixed := &Trace{ID: tr.ID, Spans: slices.Clone(tr.Spans)}
		rng.Shuffle(len(mixed.Spans), func(i, j int) { mixed.Spans[i], mixed.Spans[j] = mixed.Spans[j], mixed.Spans[i] })
		a, b := NewTree(tr), NewTree(mixed)
		if x, y := show(a, a.CriticalPaths()), show(b, b.CriticalPaths()); x != y || ids(a, a.Order()) != ids(b, b.Order()) ||
			ids(a, a.Roots()) != ids(b, b.Roots()) || ids(a, a.Missing()) != ids(b, b.Missing()) || !a.Origin().Equal(b.Origin()) {
			t.Fatalf("paths %s\nand %s\nof %+v", x, y, tr)
		}
	}
}

// Work that grew with the square of the spans would take minutes here.
func TestLargeTraces(t *testing.T) {
	const wide, deep = 20_000, 30_000
	orphans := siblings(wide, false)
	for i := range orphans.Spans[1:] {
		orphans.Spans[i+1].Parent = "gone"
	}
	lost := deepChain(deep, 2)
	for i := 1; i <= maxOrphans; i++ {
		lost.Spans[i*400].Parent = "gone"
	}
	ring := deepChain(deep, 1)
	ring.Spans[0].Parent = strconv.Itoa(deep - 1)
	tree := &Tree{}
	for _, c := range []struct {
		name  string
		trace *Trace
		path  int // segments of the root's critical path
	}{
		{"siblings, one after another", siblings(wide, false), 2 * wide},
		{"siblings at once", siblings(wide, true), 2},
		{"siblings without their parent", orphans, 1},
		{"a chain of one service", deepChain(deep, 1), 2*deep - 1},
		{"a chain of two services", deepChain(deep, 2), 2*deep - 1},
		{"a chain that is broken often", lost, 2*deep - 1},
		{"a ring", ring, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			rounds := 1
			if c.path > deep {
				rounds = 10
			}
			for range rounds {
				tree.Load(c.trace)
			}
			if len(tree.Order()) != len(c.trace.Spans) {
				t.Errorf("%d of %d spans are in the tree", len(tree.Order()), len(c.trace.Spans))
			}
			for _, i := range tree.Order() {
				tree.Self(i)
			}
			tree.CriticalPaths()
			FirstFailing(c.trace)
			Relations(c.trace)
			if tree.Root() == None {
				if c.path > 0 {
					t.Error("there is no root")
				}
				return
			}
			if got := tree.Replay(tree.Root(), func(int, time.Duration) float64 { return 1 }); got != tree.Took(tree.Root()) {
				t.Errorf("took %s, played again %s", tree.Took(tree.Root()), got)
			}
			if path := tree.CriticalPath(tree.Root()); len(path) != c.path {
				t.Errorf("the path has %d segments, want %d", len(path), c.path)
			}
		})
	}
}

// FuzzTree builds a trace of bytes: seven a span.
func FuzzTree(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\xff\x00\x00\x10\x00\x64\x01\x00\x11\x00\x20\x00\x32\x02\x01\x02\x00\x30\x00\x14"))
	f.Add([]byte("\x00\x01\x00\x00\x10\x00\x64\x01\x00\x11\x00\x20\x00\x32"))
	kinds := []Kind{Server, Client, Producer, Consumer, Internal, "", Server, Client}
	f.Fuzz(func(t *testing.T, data []byte) {
		tr := &Trace{ID: "t"}
		for ; len(data) >= 7 && len(tr.Spans) < 40; data = data[7:] {
			s := Span{ID: strconv.Itoa(int(data[0] % 32)), Service: string(rune('a' + data[2]%4)), Operation: "op", Kind: kinds[data[2]>>2%8], Failed: data[2]&0x80 != 0,
				Start:    time.Unix(0, int64(binary.BigEndian.Uint16(data[3:]))*int64(time.Microsecond)),
				Duration: time.Duration(int16(binary.BigEndian.Uint16(data[5:]))) * time.Microsecond}
			if data[1] < 0xf0 {
				s.Parent = strconv.Itoa(int(data[1] % 34))
			}
			switch data[1] {
			case 0xfe: // years apart
				s.Start = s.Start.AddDate(400*int(int8(data[4])), 0, 0)
			case 0xfd:
				s.Parent, s.Duration = "0", s.Duration<<40
			}
			tr.Spans = append(tr.Spans, s)
		}
		check(t, NewTree(tr))
	})
}

// BenchmarkTree reads small traces with one Tree: what allocates grows with the
// stream.
func BenchmarkTree(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var traces []*Trace
	for range 100 {
		traces = append(traces, tangle(rng, 20))
	}
	tree := &Tree{}
	var path []Segment
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tree.Load(traces[i%len(traces)])
		for _, r := range tree.Roots() {
			path = tree.AppendCriticalPath(path[:0], r)
		}
	}
}

// BenchmarkLarge does all there is to do with 40 traces of 20,001 siblings, and
// with a chain of 30,000 spans.
func BenchmarkLarge(b *testing.B) {
	for _, c := range []struct {
		name  string
		trace *Trace
		times int
	}{{"siblings-40x20001", siblings(20_000, false), 40}, {"parallel-40x20001", siblings(20_000, true), 40}, {"chain-30000", deepChain(30_000, 2), 1}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tree := &Tree{}
				for range c.times {
					tree.Load(c.trace)
					for _, i := range tree.Order() {
						tree.Self(i)
					}
					tree.CriticalPaths()
					tree.Replay(tree.Root(), func(int, time.Duration) float64 { return 1 })
					FirstFailing(c.trace)
					Relations(c.trace)
				}
			}
		})
	}
}
