package trace

// Assembler groups a stream of spans into traces. The number of unfinished traces it
// holds is bounded. Beyond it, the oldest trace is passed on incomplete. A trace with
// more than a million spans is passed on in parts.
type Assembler struct {
	add   func(Trace)
	open  map[string]*Trace
	order []string // in the order of their first spans, from head on
	head  int
	most  int // unfinished traces
	spans int // of a trace
}

// openTraces is the maximum number of unfinished traces: more than half a minute of
// them at 1000 requests/s.
const openTraces = 50_000

// spansPerTrace is the maximum number of spans of a trace that are held together.
const spansPerTrace = 1_000_000

// NewAssembler returns an Assembler that passes complete traces to add.
func NewAssembler(add func(Trace)) *Assembler {
	return &Assembler{add: add, open: map[string]*Trace{}, most: openTraces, spans: spansPerTrace}
}

// Add adds a span to the trace with the given ID.
func (a *Assembler) Add(id string, s Span) {
	t := a.open[id]
	if t == nil {
		t = &Trace{ID: id}
		a.open[id] = t
		a.order = append(a.order, id)
		if len(a.open) > a.most {
			a.oldest()
		}
	}
	t.Spans = append(t.Spans, s)
	if len(t.Spans) >= a.spans {
		part := *t
		t.Spans = nil
		a.add(part)
	}
}

func (a *Assembler) oldest() {
	id := a.order[a.head]
	a.head++
	if a.head > len(a.order)/2 {
		a.order, a.head = append(a.order[:0:0], a.order[a.head:]...), 0
	}
	t := a.open[id]
	delete(a.open, id)
	if len(t.Spans) > 0 {
		a.add(*t)
	}
}

// Flush passes on the unfinished traces.
func (a *Assembler) Flush() {
	for len(a.open) > 0 {
		a.oldest()
	}
}
