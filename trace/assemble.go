package trace

// Assembler puts traces together from spans that come one by one. It holds a
// bounded number of unfinished traces: the oldest is handed on when there are
// more, as it is.
type Assembler struct {
	add   func(Trace)
	open  map[string]*Trace
	order []string // by their first span, from head on
	head  int
	most  int
}

// openTraces is how many unfinished traces are held: at a thousand requests a
// second, those of more than half a minute.
const openTraces = 50_000

// NewAssembler hands complete traces to add.
func NewAssembler(add func(Trace)) *Assembler {
	return &Assembler{add: add, open: map[string]*Trace{}, most: openTraces}
}

// Add takes a span of a trace.
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
}

func (a *Assembler) oldest() {
	id := a.order[a.head]
	a.head++
	if a.head > len(a.order)/2 {
		a.order, a.head = append(a.order[:0:0], a.order[a.head:]...), 0
	}
	t := a.open[id]
	delete(a.open, id)
	a.add(*t)
}

// Flush hands on what is left.
func (a *Assembler) Flush() {
	for len(a.open) > 0 {
		a.oldest()
	}
}
