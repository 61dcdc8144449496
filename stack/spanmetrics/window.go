package spanmetrics

import (
	"encoding/hex"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/tenhop/tenhop/trace"
)

// Bounds of the time for which spans are held.
const (
	minQuiet   = 2 * time.Second
	maxQuiet   = 15 * time.Second
	quietSlack = time.Second      // beyond the slowest exporter's delay
	maxHeld    = 30 * time.Second // of a trace that lacks a parent
	lagDecay   = time.Minute      // after which an exporter's delay is measured again
)

// record is a span that is held, with the facts that replace its attributes.
type record struct {
	span  trace.Span
	facts facts
}

// open is a trace whose spans are still arriving.
type open struct {
	id          string
	first, last time.Time // arrival of its spans
	records     []record
}

// window holds the traces whose spans are still arriving. The number of spans is
// bounded. Beyond it, the traces that began first are passed on early.
type window struct {
	open  map[string]*open
	order []*open // by their first spans
	spans int
	most  int
	lags  lags
	roots callers
	done  doneSet
	ids   idSet
	free  []*open // to be used again
	room  int     // for records in free
}

func newWindow(mostSpans int) *window {
	return &window{open: map[string]*open{}, most: mostSpans, roots: callers{}, done: doneSet{}}
}

// add adds a span. It returns false if the trace was passed on already.
func (w *window) add(id string, r record, now time.Time) bool {
	t := w.open[id]
	if t == nil {
		if w.done.has(id) {
			return false
		}
		t = w.begin(id, now)
		w.open[id] = t
		w.order = append(w.order, t)
	}
	w.lags.note(r.span.Service, now.Sub(r.span.End()), now)
	t.last = now
	t.records = append(t.records, r)
	w.spans++
	return true
}

// begin returns a trace without spans.
func (w *window) begin(id string, now time.Time) *open {
	n := len(w.free)
	if n == 0 {
		return &open{id: id, first: now}
	}
	t := w.free[n-1]
	w.free = w.free[:n-1]
	w.room -= cap(t.records)
	t.id, t.first = id, now
	return t
}

// maxRoom bounds the records that are kept for the next traces: 3.5 MB.
const maxRoom = 8192

// recycle takes back a trace that take returned.
func (w *window) recycle(t *open) {
	if w.room+cap(t.records) > maxRoom {
		return
	}
	clear(t.records)
	*t = open{records: t.records[:0]}
	w.free = append(w.free, t)
	w.room += cap(t.records)
}

// take removes and returns the traces that are due: those that are probably complete,
// and the oldest ones if there are too many spans, until a tenth of the room is free.
// all takes all of them.
func (w *window) take(now time.Time, all bool) (due, evicted []*open) {
	quiet := w.lags.quiet()
	kept := w.order[:0]
	most := w.most
	if w.spans > most { // a batch of spans later, it would be too many again
		most -= most / 10
	}
	for _, t := range w.order {
		switch {
		case w.spans > most:
			evicted = append(evicted, t)
		case all || now.Sub(t.first) >= maxHeld || now.Sub(t.last) >= quiet && (now.Sub(t.last) >= maxHeld/2 || w.whole(t)):
			due = append(due, t)
		default:
			kept = append(kept, t)
			continue
		}
		w.spans -= len(t.records)
		delete(w.open, t.id)
		w.done.add(t.id)
	}
	clear(w.order[len(kept):])
	w.order = kept
	return due, evicted
}

// whole reports whether every span of a trace has its parent, except for those that are
// usually called from outside.
func (w *window) whole(t *open) bool {
	w.ids.reset(len(t.records))
	for i := range t.records {
		w.ids.add(t.records[i].span.ID)
	}
	for i := range t.records {
		if s := &t.records[i].span; s.Parent != "" && !w.ids.has(s.Parent) && !w.roots.outside(s) {
			return false
		}
	}
	return true
}

// lags holds the delay between the end of a span and its arrival, by service: the
// maximum of the current and of the previous minute.
type lags struct {
	now, before map[string]time.Duration
	since       time.Time
}

// maxLag is the maximum delay of an exporter. Longer ones are those of spans that were
// sent again, or of a clock that is wrong.
const maxLag = time.Minute

func (l *lags) note(service string, lag time.Duration, now time.Time) {
	if lag > maxLag {
		return
	}
	if l.now == nil || now.Sub(l.since) >= lagDecay {
		l.before, l.now, l.since = l.now, map[string]time.Duration{}, now
	}
	if known, ok := l.now[service]; len(l.now) < maxServices && (!ok || lag > known) {
		l.now[service] = max(known, lag)
	}
}

// quiet returns the time without a span after which no more are expected: that of the
// slowest exporter. Clocks that differ move it, so it is bounded.
func (l *lags) quiet() time.Duration {
	var slowest time.Duration
	for _, m := range []map[string]time.Duration{l.now, l.before} {
		for _, lag := range m {
			slowest = max(slowest, lag)
		}
	}
	return min(max(slowest+quietSlack, minQuiet), maxQuiet)
}

// maxServices bounds what is remembered of services.
const maxServices = 1000

// callers counts the spans whose parents never arrived and those whose parents did, by
// service and operation, and by service with an empty operation. A caller that sends no
// spans is a proxy or a browser, for example.
type callers map[[2]string]*[2]int

const (
	absent = iota
	present
)

func (c callers) note(s *trace.Span, which int) {
	for _, k := range [][2]string{{s.Service, s.Operation}, {s.Service, ""}} {
		n := c[k]
		if n == nil {
			if len(c) >= 4*maxServices {
				continue
			}
			n = &[2]int{}
			c[k] = n
		}
		if n[which]++; n[absent]+n[present] > 1000 {
			n[absent], n[present] = n[absent]/2, n[present]/2
		}
	}
}

// enoughCallers is the number of spans from which callers are known.
const enoughCallers = 3

// outside reports whether a span's missing parent is not expected to arrive: those of
// most spans of the operation never did, or of the service, as long as the operation is
// new.
func (c callers) outside(s *trace.Span) bool {
	n := c[[2]string{s.Service, s.Operation}]
	if n == nil || n[absent]+n[present] < enoughCallers {
		n = c[[2]string{s.Service, ""}]
	}
	return n != nil && n[absent] >= enoughCallers && n[absent] > n[present]
}

// doneSet holds the IDs of the traces that were passed on last. They are kept as bytes, which
// the garbage collector need not visit.
type doneSet struct{ young, old map[pcommon.TraceID]struct{} }

const maxDone = 50_000

func (d *doneSet) add(id string) {
	if d.young == nil || len(d.young) >= maxDone {
		d.young, d.old = map[pcommon.TraceID]struct{}{}, d.young
	}
	d.young[traceID(id)] = struct{}{}
}

func (d *doneSet) has(id string) bool {
	raw := traceID(id)
	_, young := d.young[raw]
	_, old := d.old[raw]
	return young || old
}

// traceID returns the bytes of a trace ID in hexadecimal, as pcommon.TraceID renders it.
func traceID(text string) (id pcommon.TraceID) {
	if len(text) == hex.EncodedLen(len(id)) {
		_, _ = hex.Decode(id[:], []byte(text)) // it was encoded from an ID
	}
	return id
}

// idSet holds the IDs of the spans of one trace after another.
type idSet struct {
	ids  map[string]struct{}
	peak int // of its size
}

// keptIDs is the size from which a set is not reused for much smaller traces: clearing it
// takes time proportional to its largest size.
const keptIDs = 1024

// reset empties the set for a trace of n spans.
func (s *idSet) reset(n int) {
	if s.ids == nil || s.peak > keptIDs && n < s.peak/8 {
		s.ids, s.peak = make(map[string]struct{}, n), 0
	}
	clear(s.ids)
	s.peak = max(s.peak, n)
}

func (s *idSet) add(id string) { s.ids[id] = struct{}{} }

func (s *idSet) has(id string) bool {
	_, ok := s.ids[id]
	return ok
}
