package shape_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/shape"
)

var epoch = time.Unix(1_700_000_000, 0)

// builder builds a trace. Times are milliseconds.
type builder struct {
	spans []trace.Span
}

func (b *builder) span(parent, service, operation string, kind trace.Kind, from, to float64, attributes ...string) string {
	id := fmt.Sprintf("%04x", len(b.spans)+1)
	s := trace.Span{ID: id, Parent: parent, Service: service, Operation: operation, Kind: kind, Start: epoch.Add(ms(from)), Duration: ms(to - from),
		Attributes: map[string]string{}}
	for i := 0; i+1 < len(attributes); i += 2 {
		s.Attributes[attributes[i]] = attributes[i+1]
	}
	b.spans = append(b.spans, s)
	return id
}

// call adds a client span and the span of its callee, with half a millisecond of link on
// each side. It returns the callee.
func (b *builder) call(parent, service, target, operation string, from, to float64) string {
	c := b.span(parent, service, operation, trace.Client, from, to)
	return b.span(c, target, operation, trace.Server, from+.5, to-.5)
}

func (b *builder) shape() shape.Shape { return shape.Of(&trace.Trace{ID: "t", Spans: b.spans}) }

func ms(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }

func whatIf(s shape.Shape) string {
	var out []string
	for _, w := range s.WhatIf {
		out = append(out, fmt.Sprintf("%s %.1f", w.Change, w.DurationMS))
	}
	return strings.Join(out, ", ")
}

// TestChain: hops that call one after another in depth, the last through a queue.
func TestChain(t *testing.T) {
	var b builder
	at := b.span("", "edge", "GET /", trace.Server, 0, 20)
	at = b.call(at, "edge", "middle", "Do", 2, 18)
	at = b.call(at, "middle", "end", "Do", 4, 16)
	b.span(at, "end", "SELECT", trace.Client, 6, 9, "db.system.name", "postgresql")
	p := b.span(at, "end", "send t", trace.Producer, 10, 11)
	c := b.span(p, "mail", "process t", trace.Consumer, 40, 60)
	b.call(c, "mail", "smtp", "Send", 45, 50)
	s := b.shape()
	if s.Depth.Hops != 3 || strings.Join(s.Depth.Path, " ") != "edge middle end" || s.Depth.WithQueues != 5 {
		t.Errorf("depth %+v", s.Depth)
	}
	want := shape.Time{WorkMS: 4 + 3 + 7, LinkMS: 2, OtherMS: 4, LinkShare: .1, CallsOnPath: 4}
	if s.Time != want {
		t.Errorf("time %+v, want %+v", s.Time, want)
	}
	if len(s.Sequential)+len(s.Chatty)+len(s.Notes) != 0 || whatIf(s) != "one_process 18.0" || s.Calls != 5 {
		t.Errorf("%+v", s)
	}
}

// TestSequential covers what makes calls a suspected row.
func TestSequential(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(b *builder, root string)
		want  string // count and saved milliseconds of each row
	}{
		{"three behind each other", func(b *builder, root string) {
			b.call(root, "edge", "a", "Get", 10, 30)
			b.call(root, "edge", "b", "Get", 30.2, 60)
			b.call(root, "edge", "c", "Get", 60.3, 70)
		}, "3 -29.7"},
		{"side by side already", func(b *builder, root string) {
			b.call(root, "edge", "a", "Get", 10, 30)
			b.call(root, "edge", "b", "Get", 10, 60)
		}, ""},
		{"work between them", func(b *builder, root string) {
			b.call(root, "edge", "a", "Get", 10, 20)
			b.call(root, "edge", "b", "Get", 30, 40)
		}, ""},
		{"beside a longer call", func(b *builder, root string) {
			b.call(root, "edge", "a", "Get", 10, 20)
			b.call(root, "edge", "b", "Get", 20, 30)
			b.call(root, "edge", "c", "Get", 5, 90)
		}, ""},
		{"a retry", func(b *builder, root string) {
			b.span(root, "edge", "GET", trace.Client, 10, 20)
			b.spans[len(b.spans)-1].Failed = true
			b.span(root, "edge", "GET", trace.Client, 20, 30)
		}, ""},
		{"a redirect", func(b *builder, root string) {
			b.span(root, "edge", "GET", trace.Client, 10, 20)
			b.span(root, "edge", "GET", trace.Client, 20, 30, "http.request.resend_count", "1")
		}, ""},
		{"statements of one store", func(b *builder, root string) {
			b.span(root, "edge", "SELECT", trace.Client, 10, 20, "db.system", "mysql")
			b.span(root, "edge", "UPDATE", trace.Client, 20, 30, "db.system", "mysql")
		}, ""},
		{"wrapped in functions", func(b *builder, root string) {
			for i, target := range []string{"a", "b"} {
				from := 10 + 20*float64(i)
				f := b.span(root, "edge", "load "+target, trace.Internal, from, from+20)
				b.call(f, "edge", target, "Get", from+.1, from+19.9)
			}
		}, "2 -20.0"},
		{"one in the longest of the other", func(b *builder, root string) {
			b.call(root, "edge", "a", "Get", 10, 20)
			at := b.call(root, "edge", "b", "Get", 20, 80)
			b.call(at, "b", "c", "Get", 30, 40)
			b.call(at, "b", "c", "Get", 40, 55)
		}, "2 -10.0, 2 -10.0"},
		{"a caller without client spans", func(b *builder, root string) {
			b.span(root, "a", "Get", trace.Server, 10, 30)
			b.span(root, "b", "Get", trace.Server, 30, 40)
		}, "2 -10.0 clocks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b builder
			root := b.span("", "edge", "GET /", trace.Server, 0, 100)
			c.build(&b, root)
			s := b.shape()
			var got []string
			for _, r := range s.Sequential {
				row := fmt.Sprintf("%d -%.1f", r.Count, r.SavedMS)
				if r.Clocks {
					row += " clocks"
				}
				got = append(got, row)
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%q, want %q", strings.Join(got, ", "), c.want)
			}
		})
	}
}

// TestChatty covers an N+1 of calls, one of statements, and calls of several hops.
func TestChatty(t *testing.T) {
	var b builder
	root := b.span("", "edge", "GET /", trace.Server, 0, 100)
	for i := range 8 { // each 4 ms, of which 1 ms is link
		b.call(root, "edge", "items", "Get", 10+4*float64(i), 14+4*float64(i))
	}
	for i := range 7 {
		b.span(root, "edge", "SELECT", trace.Client, 50+2*float64(i), 52+2*float64(i), "db.system.name", "postgresql", "peer.service", "edge-db")
	}
	b.call(root, "edge", "once", "Get", 80, 90)
	s := b.shape()
	if len(s.Chatty) != 2 {
		t.Fatalf("%+v", s.Chatty)
	}
	db, items := s.Chatty[0], s.Chatty[1]
	if items.Target != "items" || items.Calls != 8 || items.PerHop != 8 || !items.NPlusOne || items.LinkMS != 8 || items.SavedMS != 7 {
		t.Errorf("%+v", items)
	}
	if db.Target != "edge-db" || db.Calls != 7 || !db.NPlusOne || db.LinkMS != 0 || db.SavedMS != 12 {
		t.Errorf("%+v", db)
	}
	if got := whatIf(s); got != "parallel 72.0, merged 81.0, parallel_merged 60.0, one_process 91.0" {
		t.Error(got)
	}

	b = builder{}
	root = b.span("", "edge", "GET /", trace.Server, 0, 100)
	for i := range 6 { // two hops between
		at := b.call(root, "edge", fmt.Sprint("m", i), "Get", 10*float64(i), 10*float64(i)+9)
		b.call(at, fmt.Sprint("m", i), "leaf", "Get", 10*float64(i)+2, 10*float64(i)+4)
	}
	if s := b.shape(); len(s.Chatty) != 0 {
		t.Errorf("calls of six services: %+v", s.Chatty)
	}

	b = builder{}
	root = b.span("", "edge", "GET /", trace.Server, 0, 100)
	for i := range 6 { // six hops of one service, each with one call; only the first pair is chatty
		at := b.call(root, "edge", "items", "Get", 10*float64(i), 10*float64(i)+9)
		b.call(at, "items", "leaf", "Get", 10*float64(i)+2, 10*float64(i)+4)
	}
	if s := b.shape(); len(s.Chatty) != 1 || s.Chatty[0].Target != "items" {
		t.Errorf("one call behind each of six: %+v", s.Chatty)
	}
}

// TestFromOtherClocks: callees whose clocks are off by an hour give the same shape.
func TestFromOtherClocks(t *testing.T) {
	build := func(skew time.Duration) shape.Shape {
		var b builder
		root := b.span("", "edge", "GET /", trace.Server, 0, 100)
		for i := range 6 {
			b.call(root, "edge", "items", "Get", 10+10*float64(i), 20+10*float64(i))
		}
		for i := range b.spans {
			if b.spans[i].Service == "items" {
				b.spans[i].Start = b.spans[i].Start.Add(skew)
			}
		}
		return b.shape()
	}
	want, err := json.Marshal(build(0))
	if err != nil {
		t.Fatal(err)
	}
	for _, skew := range []time.Duration{time.Hour, -time.Hour, 30 * time.Millisecond} {
		if got, _ := json.Marshal(build(skew)); string(got) != string(want) {
			t.Errorf("skew %s:\n%s, want\n%s", skew, got, want)
		}
	}
}

// TestBroken: traces that lack spans, have cycles or nothing at all.
func TestBroken(t *testing.T) {
	for _, c := range []struct {
		name  string
		spans []trace.Span
		note  string
	}{
		{"no span", nil, ""},
		{"a cycle", []trace.Span{{ID: "1", Parent: "2", Service: "a", Duration: 5}, {ID: "2", Parent: "1", Service: "b", Duration: 4}}, "no kind"},
		{"its own parent", []trace.Span{{ID: "1", Parent: "1", Service: "a", Duration: 5}}, "no kind"},
		{"no duration", []trace.Span{{ID: "1", Service: "a"}, {ID: "2", Parent: "1", Service: "b", Duration: -5}}, "no kind"},
		{"no parents", []trace.Span{{ID: "1", Parent: "x", Service: "a", Duration: 5}, {ID: "2", Parent: "y", Service: "b", Start: time.Unix(9, 0)}}, "no parent"},
		{"no IDs", []trace.Span{{Service: "a", Duration: 5}, {Service: "b", Duration: 7}}, "no kind"},
		{"twice", []trace.Span{{ID: "1", Service: "a", Duration: 5}, {ID: "1", Service: "a", Duration: 5}}, "ID of another"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shape.Of(&trace.Trace{ID: "t", Spans: c.spans})
			if got := strings.Join(s.Notes, "; "); !strings.Contains(got, c.note) {
				t.Errorf("notes %q lack %q", got, c.note)
			}
			b, err := json.Marshal(s)
			if err != nil || strings.Contains(string(b), "null") {
				t.Errorf("%s %v", b, err)
			}
		})
	}
}

// TestRandom: whatever the trace, times add up and no change makes a request slower.
func TestRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	kinds := []trace.Kind{trace.Server, trace.Client, trace.Producer, trace.Consumer, trace.Internal, ""}
	for range 2000 {
		var spans []trace.Span
		for i := range 1 + rng.IntN(40) {
			s := trace.Span{ID: fmt.Sprint(i), Service: string(rune('a' + rng.IntN(4))), Operation: "op", Kind: kinds[rng.IntN(len(kinds))],
				Start: epoch.Add(ms(rng.Float64() * 50)), Duration: ms(rng.Float64()*60 - 2), Failed: rng.IntN(8) == 0}
			if i > 0 || rng.IntN(4) == 0 {
				s.Parent = fmt.Sprint(rng.IntN(i + 3))
			}
			spans = append(spans, s)
		}
		s := shape.Of(&trace.Trace{ID: "t", Spans: spans})
		if sum := s.Time.WorkMS + s.Time.LinkMS + s.Time.OtherMS; sum < s.DurationMS-.01 || sum > s.DurationMS+.01 {
			t.Fatalf("%v of %v ms: %+v", sum, s.DurationMS, spans)
		}
		for _, w := range s.WhatIf {
			if w.DurationMS < 0 || w.SavedMS < -.01 {
				t.Fatalf("%+v: %+v", w, spans)
			}
		}
	}
}

// TestHuge: wide and deep traces have short lists. Work that grew with the square of the
// spans would exceed the time limit of the tests.
func TestHuge(t *testing.T) {
	const n = 20_000
	wide := builder{}
	root := wide.span("", "edge", "GET /", trace.Server, 0, n)
	for i := range n {
		wide.call(root, "edge", fmt.Sprint("s", i%300), "Get", float64(i), float64(i)+1)
	}
	deep := builder{}
	at := deep.span("", "edge", "GET /", trace.Server, 0, n)
	for i := range n {
		at = deep.call(at, "edge", "edge", "Get", float64(i)*.1, n-float64(i)*.1)
	}
	for name, b := range map[string]*builder{"wide": &wide, "deep": &deep} {
		text, err := json.Marshal(b.shape())
		if err != nil || len(text) > 100_000 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}
