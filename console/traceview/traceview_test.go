package traceview

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// parse parses a trace with one span per line and times in microseconds:
//
//	id parent service operation kind start duration [tag=value ...]
func parse(t *testing.T, text string) *View {
	t.Helper()
	tr := &trace.Trace{ID: "t"}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 7 {
			continue
		}
		s := trace.Span{ID: f[0], Parent: strings.Trim(f[1], "-"), Service: f[2], Operation: f[3], Kind: trace.Kind(f[4]), Attributes: map[string]string{}}
		var start, duration int64
		if _, err := fmt.Sscan(f[5]+" "+f[6], &start, &duration); err != nil {
			t.Fatal(err)
		}
		s.Start, s.Duration = time.UnixMicro(start), time.Duration(duration)*time.Microsecond
		for _, tag := range f[7:] {
			k, v, _ := strings.Cut(tag, "=")
			s.Attributes[k] = v
		}
		tr.Spans = append(tr.Spans, s)
	}
	return New(tr)
}

func (v *View) span(t *testing.T, id string) *Span {
	t.Helper()
	for _, s := range v.Spans {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("no span %s", id)
	return nil
}

func (s *Span) tag(key string) string {
	for _, t := range s.Tags {
		if t[0] == key {
			return t[1]
		}
	}
	return ""
}

func TestAnalysis(t *testing.T) {
	for _, c := range []struct {
		name, why, trace string
		self             map[string]int64
		critical         map[string][]Segment
		queue            map[string]Queue
	}{
		{
			name: "serial calls", why: "what is not covered by a child is a span's own",
			trace: `
				a - gateway  get server 0 100
				b a gateway  get client 10 50
				c b payment  get server 20 30`,
			self:     map[string]int64{"a": 50, "b": 20, "c": 30},
			critical: map[string][]Segment{"a": {{0, 10}, {60, 100}}, "b": {{10, 20}, {50, 60}}, "c": {{20, 50}}},
		},
		{
			name: "parallel calls", why: "time is covered once; only the longer call holds the end up",
			trace: `
				a - gateway get server 0 100
				b a gateway one client 10 40
				c a gateway two client 10 80`,
			self:     map[string]int64{"a": 20},
			critical: map[string][]Segment{"a": {{0, 10}, {90, 100}}, "b": nil, "c": {{10, 90}}},
		},
		{
			name: "record", why: "a consumer is no part of its producer's time, has a wait before it and a path of its own",
			trace: `
				a - order    place   server   0 100
				b a order    send    producer 20 10 messaging.destination.name=orders
				c b shipping process consumer 200 50
				d c shipping INSERT  client   210 30`,
			self:     map[string]int64{"a": 90, "b": 10, "c": 20},
			critical: map[string][]Segment{"a": {{0, 20}, {30, 100}}, "b": {{20, 30}}, "c": {{200, 210}, {240, 250}}, "d": {{210, 240}}},
			queue:    map[string]Queue{"c": {"topic", 30, 200}},
		},
		{
			name: "measured queue wait", why: "what the consumer measured is nearer the truth than what spans let guess",
			trace: `
				b - order    send    producer 0 40
				c b shipping process consumer 100 50 hop.queue_wait_ms=0.08`,
			queue: map[string]Queue{"c": {"topic", 20, 100}},
		},
		{
			name: "outbox", why: "an event that is sent after its request has waited in the outbox, and its consumer's path is found",
			trace: `
				a - order    place   server   0 100
				b a order    send    producer 150 10
				c b shipping process consumer 170 20`,
			self:     map[string]int64{"a": 100, "c": 20},
			critical: map[string][]Segment{"a": {{0, 100}}, "b": {{150, 160}}, "c": {{170, 190}}},
			queue:    map[string]Queue{"b": {"outbox", 100, 150}, "c": {"topic", 160, 170}},
		},
		{
			name: "off the path", why: "what a call beside the path caused has its path, too",
			trace: `
				a - gateway get     server   0 100
				b a gateway one     client   10 20
				c a gateway two     client   10 80
				d b order   send    producer 12 5
				e d mail    process consumer 300 10`,
			critical: map[string][]Segment{"b": nil, "e": {{300, 310}}},
		},
		{
			name: "child outlives its parent", why: "a call that was not waited for covers its parent to the end only",
			trace: `
				a - gateway get server 0 100
				b a gateway one client 50 500`,
			self:     map[string]int64{"a": 50},
			critical: map[string][]Segment{"a": {{0, 50}}, "b": {{50, 100}}},
		},
		{
			name: "child a tick longer", why: "starts and durations are cut to microseconds each: what ends a tick later was still waited for",
			trace: `
				a - gateway get server 0 1000
				b a gateway pay client 10 981
				c b payment get server 20 981
				d c payment SELECT client 500 502`,
			critical: map[string][]Segment{"a": {{0, 10}, {991, 1000}}, "b": {{10, 20}}, "c": {{20, 500}}, "d": {{500, 991}}},
		},
		{
			name: "clocks that differ", why: "a callee that seems to start before its caller is moved to its middle",
			trace: `
				a - gateway get server 100 100
				b a payment get server 90 50`,
			self:     map[string]int64{"a": 50},
			critical: map[string][]Segment{"a": {{0, 25}, {75, 100}}, "b": {{25, 75}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := parse(t, c.trace)
			for id, want := range c.self {
				if got := v.span(t, id).Self; got != want {
					t.Errorf("self time of %s = %d, want %d: %s", id, got, want, c.why)
				}
			}
			for id, want := range c.critical {
				if got := v.span(t, id).Critical; !slices.Equal(got, want) {
					t.Errorf("critical path in %s = %v, want %v: %s", id, got, want, c.why)
				}
			}
			for id, want := range c.queue {
				if got := v.span(t, id).Queue; got == nil || *got != want {
					t.Errorf("queue before %s = %v, want %v: %s", id, got, want, c.why)
				}
			}
		})
	}
}

// The critical path of a request without queues covers exactly its duration. Every span is
// listed once, after its parent.
func TestProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		tr := &trace.Trace{ID: "t"}
		n := 1 + rng.IntN(60)
		for i := range n {
			s := trace.Span{ID: fmt.Sprint(i), Service: "s", Operation: "o", Kind: trace.Server, Start: time.UnixMicro(0), Duration: 10 * time.Millisecond}
			if i > 0 {
				p := tr.Spans[rng.IntN(i)]
				s.Parent, s.Kind = p.ID, trace.Internal
				s.Start = p.Start.Add(micros(rng.Int64N(p.Duration.Microseconds()/2 + 1)))
				s.Duration = micros(rng.Int64N(p.End().Sub(s.Start).Microseconds() + 1))
				if !s.Start.Before(p.End()) {
					s.Start = p.Start
				}
			}
			tr.Spans = append(tr.Spans, s)
		}
		v := New(tr)
		if len(v.Spans) != n {
			t.Fatalf("%d of %d spans are listed", len(v.Spans), n)
		}
		var path int64
		for i, s := range v.Spans {
			if s.Parent >= i {
				t.Fatal("a parent is listed after its child")
			}
			for _, c := range s.Critical {
				path += c[1] - c[0]
			}
			var busy int64
			for _, b := range s.Busy {
				busy += b[1] - b[0]
			}
			if busy != s.Self || s.Self < 0 || s.Self > s.Duration {
				t.Fatalf("self time %d, busy %d, duration %d", s.Self, busy, s.Duration)
			}
		}
		if path != v.Spans[0].Duration {
			t.Fatalf("the critical path is %d long, the request %d", path, v.Spans[0].Duration)
		}
		if v.Services[0].Self != path {
			t.Fatalf("the services' parts are %d long, the critical path %d", v.Services[0].Self, path)
		}
	}
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

func TestDamaged(t *testing.T) {
	for name, trace := range map[string]string{
		"cycle":          "a b s o server 0 10\nb a s o server 1 5",
		"itself":         "a a s o server 0 10",
		"missing parent": "a - s o server 0 10\nb x s o server 5 2",
		"same ID twice":  "a - s o server 0 10\na - s o server 3 2\nb a s o client 4 1",
	} {
		v := parse(t, trace)
		if want := strings.Count(trace, "\n") + 1; len(v.Spans) != want {
			t.Errorf("%s: %d spans are listed, want %d", name, len(v.Spans), want)
		}
	}
	if v := New(&trace.Trace{ID: "t"}); v.Spans == nil || len(v.Spans) != 0 {
		t.Error("an empty trace must be an empty list")
	}
}

func TestCompare(t *testing.T) {
	fast := parse(t, `
		a - gateway checkout server 0 100
		b a gateway charge   client 10 60 peer.service=payment
		c b payment charge   server 20 40
		d c payment SELECT   client 30 10 peer.service=payment-db`)
	slow := parse(t, `
		a - gateway checkout server 0 600
		b a gateway charge   client 10 560 peer.service=payment
		c b payment charge   server 20 540
		d c payment SELECT   client 30 10 peer.service=payment-db`)
	rows := Compare(fast.Places(), slow.Places())
	want := Row{Place: Place{"payment", "charge", Self, ""}, A: Spent{30, 1}, B: Spent{530, 1}, Delta: 500}
	if rows[0] != want {
		t.Errorf("first row = %+v, want %+v", rows[0], want)
	}
	var sum float64
	kinds := map[string]bool{}
	for _, r := range rows {
		sum += r.Delta
		kinds[r.Kind] = true
	}
	if sum != 500 {
		t.Errorf("rows sum to %v, want the 500 that the trace is longer", sum)
	}
	if !kinds[Self] || !kinds[Link] || !kinds[Dependency] {
		t.Errorf("kinds = %v", kinds)
	}
	if got := Mean([]*View{fast, slow})[Place{"payment", "charge", Self, ""}]; got.Time != 280 {
		t.Errorf("mean self time = %v, want 280", got.Time)
	}
	if got := Usual([]*View{slow, fast, slow, fast, slow, fast, fast, fast}); len(got) != 2 || got[0] != fast || got[1] != fast {
		t.Errorf("a slow one of a spike is among the usual: %v", got)
	}
}

// The time of a service on the critical path includes its waits for dependencies without
// spans and its link gaps.
func TestServices(t *testing.T) {
	v := parse(t, `
		a - gateway  checkout server 0 100
		b a gateway  charge   client 10 80 peer.service=payment
		c b payment  charge   server 20 60
		d c payment  SELECT   client 30 40 db.system=mysql
		e a loyalty  points   server 15 20
		f a gateway  send     producer 95 2
		g f shipping process  consumer 300 50`)
	want := []Service{{"gateway", 3, 40, 0}, {"payment", 2, 60, 0}, {"shipping", 1, 0, 0}, {"loyalty", 1, 0, 0}}
	slices.SortFunc(v.Services, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(want, func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	if !slices.Equal(v.Services, want) {
		t.Errorf("services = %+v, want %+v", v.Services, want)
	}
}

func TestNew(t *testing.T) {
	start := time.UnixMicro(1000)
	resource := map[string]string{"host.name": "h"}
	v := New(&trace.Trace{ID: "t", Spans: []trace.Span{
		{ID: "a", Service: "shop", Operation: "<script>alert(1)</script>", Kind: trace.Server, Start: start, Duration: micros(50), Failed: true, Resource: resource,
			Attributes: map[string]string{"span.kind": "server", "error": "true", "correlation_id": "c-1", "n": "3"},
			Events:     []trace.Event{{Time: start.Add(micros(10)), Name: "retry", Attributes: map[string]string{"n": "1"}}}},
		{ID: "b", Parent: "a", Service: "shop", Operation: "x", Start: start.Add(micros(10)), Duration: micros(5), Resource: resource},
	}})
	a := v.span(t, "a")
	if !a.Failed || a.Kind != "server" || v.Correlation != "c-1" || a.tag("n") != "3" || v.Start != 1000 || v.Roots != 1 {
		t.Errorf("span = %+v, view %+v", a, v)
	}
	if e := a.Events[0]; e.At != 10 || !slices.Equal(e.Fields, []Field{{"event", "retry"}, {"n", "1"}}) || !slices.Equal(a.Resource, []Field{{"host.name", "h"}}) {
		t.Errorf("event = %+v, resource %v", e, a.Resource)
	}
	if b := v.span(t, "b"); b.Parent != 0 || b.Kind != "internal" || b.Tags == nil {
		t.Errorf("b = %+v", b)
	}
	if v.Services[0].Failed != 1 || v.Services[0].Self != 50 {
		t.Errorf("services = %+v", v.Services)
	}
}

// The repair of clock skew moves the events of a span with it.
func TestSkewedEvent(t *testing.T) {
	start := time.UnixMicro(1000)
	v := New(&trace.Trace{ID: "t", Spans: []trace.Span{
		{ID: "a", Service: "gateway", Kind: trace.Client, Start: start, Duration: micros(100)},
		{ID: "b", Parent: "a", Service: "payment", Kind: trace.Server, Start: start.Add(time.Hour), Duration: micros(50),
			Events: []trace.Event{{Time: start.Add(time.Hour + micros(10))}}},
	}})
	if b := v.span(t, "b"); b.Start != 25 || b.Events[0].At != 35 {
		t.Errorf("b starts at %d, its event is at %d; want 25 and 35", b.Start, b.Events[0].At)
	}
}

// A span whose parent is missing is shown below its new parent, and counted in Roots.
func TestMissingParent(t *testing.T) {
	v := parse(t, `
		a - gateway get server 0 100
		b x payment get server 10 50`)
	if b := v.span(t, "b"); v.Roots != 2 || b.Parent != 0 || b.Depth != 1 {
		t.Errorf("roots %d, b %+v", v.Roots, b)
	}
}

// BenchmarkLarge analyses a trace of 20,000 spans, as made by an endless loop.
func BenchmarkLarge(b *testing.B) {
	tr := &trace.Trace{ID: "t"}
	for i := range 20_000 {
		s := trace.Span{ID: strconv.Itoa(i), Service: "s", Start: time.UnixMicro(int64(i)), Duration: micros(int64(40_000 - i))}
		if i > 0 {
			s.Parent = strconv.Itoa((i - 1) / 8)
		}
		tr.Spans = append(tr.Spans, s)
	}
	for b.Loop() {
		New(tr)
	}
}

// A context that leaks from one iteration of a loop to the next makes a deep chain. In
// quadratic time its analysis would take minutes.
func TestDeepChain(t *testing.T) {
	const depth = 50_000
	tr := &trace.Trace{ID: "t"}
	for i := range depth {
		tr.Spans = append(tr.Spans, trace.Span{ID: strconv.Itoa(i), Parent: strconv.Itoa(i - 1), Service: "a", Operation: "b",
			Start: time.UnixMicro(int64(i)), Duration: depth * time.Microsecond})
	}
	if v := New(tr); v.Roots != 1 || v.Spans[0].ID != "0" || v.Spans[depth-1].Depth != depth-1 {
		t.Errorf("%d roots, want the first span", v.Roots)
	}
	tr.Spans[0].Parent = tr.Spans[depth-1].ID
	if v := New(tr); v.Roots != 1 || v.Spans[0].ID != "0" || v.Spans[depth-1].Depth != depth-1 {
		t.Errorf("a cycle of %d spans has %d roots, want one", depth, v.Roots)
	}
}
