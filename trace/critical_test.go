package trace

import (
	"slices"
	"testing"
)

func TestCriticalPath(t *testing.T) {
	for _, c := range []struct {
		name, why, trace string
		want             string // of the root
		all              string // of CriticalPaths; as want where empty
	}{
		{name: "alone", why: "a span without children waited for nobody",
			trace: `a - s server 0-100`, want: "a 0-100"},
		{name: "serial", why: "one child after another: each happened before the next",
			trace: `
				a - s server 0-100
				b a s client 10-40
				c a s client 50-90`,
			want: "a 0-10, b 10-40, a 40-50, c 50-90, a 90-100"},
		{name: "back to back", why: "what ends as the next one starts happened before it",
			trace: `
				a - s server 0-100
				b a s client 10-50
				c a s client 50-90`,
			want: "a 0-10, b 10-50, c 50-90, a 90-100"},
		{name: "nested", why: "the path goes down to the callee, the link is the client's",
			trace: `
				a - gateway server 0-100
				b a gateway client 10-60
				c b payment server 20-50`,
			want: "a 0-10, b 10-20, c 20-50, b 50-60, a 60-100"},
		{name: "parallel", why: "of parallel children the one that finished last was waited for; the others cost nothing",
			trace: `
				a - s server 0-100
				b a s client 10-50
				c a s client 10-90
				d a s client 12-30`,
			want: "a 0-10, c 10-90, a 90-100"},
		{name: "overlapping siblings", why: "the earlier one was running when the later one started, so the later one did not wait for it: its time is the parent's",
			trace: `
				a - gateway server 0-100
				b a gateway client 10-60
				c a gateway client 50-90`,
			want: "a 0-50, c 50-90, a 90-100"},
		{name: "the one before the overlap", why: "what had finished before the later one started is on the path, though another one was still running",
			trace: `
				a - s server 0-100
				b a s client 10-30
				c a s client 25-60
				d a s client 50-90`,
			want: "a 0-10, b 10-30, a 30-50, d 50-90, a 90-100"},
		{name: "small overlap", why: "an end that is recorded 2 of 100 ms late, by another goroutine, leaves both in a row",
			trace: `
				a - s server 0-100
				b a s client 10-52
				c a s client 50-90`,
			want: "a 0-10, b 10-50, c 50-90, a 90-100"},
		{name: "overlap by a tick", why: "in a parent of 20 µs a fiftieth is less than the unit of the records",
			trace: `
				a - s server 0-0.020
				b a s client 0.002-0.010
				c a s client 0.008-0.018`,
			want: "a 0-0.002, b 0.002-0.008, c 0.008-0.018, a 0.018-0.02"},
		{name: "equal ends", why: "of two that finished together the longer one was waited for: less is left to the parent",
			trace: `
				a - s server 0-100
				b a s client 50-90
				c a s client 10-90`,
			want: "a 0-10, c 10-90, a 90-100"},
		{name: "no time", why: "a child without duration is waited for by nobody and divides nothing",
			trace: `
				a - s server 0-100
				b a s internal 50-50`,
			want: "a 0-100"},
		{name: "ends a tick after its caller", why: "both ends are cut to microseconds; the callee stays on the path",
			trace: `
				a - gateway server 0-100
				b a gateway client 1-100
				c b payment server 1-100.001`,
			want: "a 0-1, c 1-100"},
		{name: "overflows at the end", why: "a callee that went on after its caller had given up counts to the caller's end",
			trace: `
				a - gateway server 0-100
				b a gateway client 10-90
				c b payment server 20-300`,
			want: "a 0-10, b 10-20, c 20-90, a 90-100"},
		{name: "overflows at the start", why: "a callee does not begin before its call, whatever its clock says; both are as long",
			trace: `
				a - gateway server 0-100
				b a payment server -40..60`,
			want: "b 0-100"},
		{name: "internal span that begins early", why: "what is before the parent is not the parent's time",
			trace: `
				z - s server -50..200
				a z s internal 0-100
				b a s internal -40..60`,
			want: "z 0-50, b 50-110, a 110-150, z 150-250"},
		{name: "wholly outside", why: "what ran before its parent was not waited for by it",
			trace: `
				z - s server -50..200
				a z s internal 0-100
				b a s internal -40..-10`,
			want: "z 0-50, a 50-150, z 150-250"},
		{name: "callee of another clock", why: "a server 3 s ahead is moved into its call, half the difference on each side",
			trace: `
				a - gateway server 0-100
				b a gateway client 10-60
				c b payment server 3020-3050
				d c payment client 3030-3040`,
			want: "a 0-10, b 10-20, c 20-30, d 30-40, c 40-50, b 50-60, a 60-100"},
		{name: "clock 2 ms ahead", why: "a callee as long as its call, 2 ms later by its clock, is the call",
			trace: `
				a - gateway server 0-100
				b a gateway client 1-100
				c b payment server 3-102`,
			want: "a 0-1, c 1-100"},
		{name: "consumer", why: "nobody waited for the consumer; its path begins where it started, behind the queue",
			trace: `
				a - order    server   0-100
				b a order    producer 20-30
				c b shipping consumer 200-250
				d c shipping client   210-240`,
			want: "a 0-20, b 20-30, a 30-100",
			all:  "a 0-20, b 20-30, a 30-100, c 200-210, d 210-240, c 240-250"},
		{name: "consumer while the request runs", why: "a consumer is no call, even within its producer's caller",
			trace: `
				a - order server   0-100
				b a order producer 20-30
				c b mail  consumer 25-28`,
			want: "a 0-20, b 20-30, a 30-100",
			all:  "a 0-20, b 20-30, a 30-100, c 25-28"},
		{name: "outbox", why: "an event that is sent after its request had ended has a path of its own",
			trace: `
				a - order    server   0-100
				b a order    producer 150-160
				c b shipping consumer 170-190`,
			want: "a 0-100", all: "a 0-100, b 150-160, c 170-190"},
		{name: "outlives", why: "an audit record that the service writes after its answer is waited for by nobody",
			trace: `
				a - gateway server 0-150
				b a gateway client 5-145
				c b payment server 6-144
				d a gateway internal 146-1180`,
			want: "a 0-5, b 5-6, c 6-144, b 144-145, a 145-150",
			all:  "a 0-5, b 5-6, c 6-144, b 144-145, a 145-150, d 146-1180"},
		{name: "deferred end", why: "what ends less than a millisecond after its parent was waited for: its end is deferred",
			trace: `
				a - gateway server 0-100
				b a gateway client 50-100.5`,
			want: "a 0-50, b 50-100"},
		{name: "off the path", why: "what a call beside the path caused has its path, too",
			trace: `
				a - gateway server   0-100
				b a gateway client   10-30
				c a gateway client   10-90
				d b order   producer 12-17
				e d mail    consumer 300-310`,
			want: "a 0-10, c 10-90, a 90-100",
			all:  "a 0-10, c 10-90, a 90-100, e 300-310"},
		{name: "several roots", why: "each has a path",
			trace: `
				a - s server 0-10
				b - s server 20-30`,
			want: "a 0-10", all: "a 0-10, b 20-30"},
		{name: "three parallel calls", why: "diagnose's script siblings: only the one that became slow",
			trace: `
				a - gateway server 0-260
				b a gateway client 5-55
				c b pricing server 6-54
				d a gateway client 5-255
				e d loyalty server 6-254
				f a gateway client 5-45
				g f inventory server 6-44`,
			want: "a 0-5, d 5-6, e 6-254, d 254-255, a 255-260"},
		{name: "off-path script", why: "diagnose's script off-path: recommendations are not on it",
			trace: `
				a - gateway server 0-220
				b a gateway client 5-215
				c b payment server 6-214
				d a gateway client 5-85
				e d recommend server 6-84`,
			want: "a 0-5, b 5-6, c 6-214, b 214-215, a 215-220"},
		{name: "skew script", why: "diagnose's script skew: 3 s ahead, and below it 2 s behind",
			trace: `
				a - gateway server 0-250
				b a gateway client 5-245
				c b payment server 3006-3244
				d c payment client 3010-3220
				e d bank server -1989..-1781`,
			want: "a 0-5, b 5-6, c 6-10, d 10-11, e 11-219, d 219-220, c 220-244, b 244-245, a 245-250"},
		{name: "client-only script", why: "diagnose's script client-only: the wait for a store without spans is the call's",
			trace: `
				a - gateway server 0-250
				b a gateway client 5-245
				c b payment server 6-244
				d c payment client 10-220 peer.service=bank`,
			want: "a 0-5, b 5-6, c 6-10, d 10-220, c 220-244, b 244-245, a 245-250"},
		{name: "retries script", why: "diagnose's script retries: back to back, each is waited for",
			trace: `
				a - gateway server 0-250
				b a gateway client 5-85
				c a gateway client 85-165
				d a gateway client 165-245`,
			want: "a 0-5, b 5-85, c 85-165, d 165-245, a 245-250"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := NewTree(parse(t, c.trace))
			if got := show(tree, tree.CriticalPath(tree.Root())); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.why, got, c.want)
			}
			if c.all == "" {
				c.all = c.want
			}
			if got := show(tree, tree.CriticalPaths()); got != c.all {
				t.Errorf("all paths: %s\n got %s\nwant %s", c.why, got, c.all)
			}
		})
	}
}

// A path of a part of the trace is what that part waited for.
func TestCriticalPathBelow(t *testing.T) {
	tree := NewTree(parse(t, `
		a - gateway client 0-100
		b a gateway server 10-90
		c b payment server 20-80`))
	if got, want := show(tree, tree.CriticalPath(tree.Entry())), "b 10-20, c 20-80, b 80-90"; got != want {
		t.Errorf("the entry's path is %s, want %s", got, want)
	}
	kept := []Segment{{Span: 7}}
	if got := tree.AppendCriticalPath(kept, find(tree, "c")); len(got) != 2 || got[0].Span != 7 {
		t.Errorf("appended: %v", got)
	}
}

// A call that is nothing but its callee is a call nevertheless.
func TestShares(t *testing.T) {
	tree := NewTree(parse(t, `
		a - gateway server 0-100
		b a gateway client 10-90
		c b payment server 10-90
		d a gateway client 20-30`))
	want := []Share{{find(tree, "c"), ms(80)}, {find(tree, "b"), 0}, {find(tree, "a"), ms(20)}}
	if got := tree.AppendShares(nil, tree.Root()); !slices.Equal(got, want) {
		t.Errorf("shares %v, want %v", got, want)
	}
}
