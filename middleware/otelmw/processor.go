package otelmw

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// SpanProcessor observes the hop_* families, and those of HTTP, RPC, database and
// messaging operations, from the spans of a tracer provider. It exports nothing and is
// safe for concurrent use.
type SpanProcessor struct {
	config
	table   table
	own     table // of the adapters' spans, which discard some without an end
	red     redFamilies
	evicted prometheus.Counter
}

var _ sdktrace.SpanProcessor = (*SpanProcessor)(nil)

// NewSpanProcessor returns a SpanProcessor. It panics for a nil option and for a
// registry that refuses its metrics.
func NewSpanProcessor(opts ...Option) *SpanProcessor {
	c := configure(opts)
	p := &SpanProcessor{config: c}
	var err error
	p.evicted, err = c.core.RegisterCounter("tenhop_tracked_spans_evicted_total",
		"Spans that were given up before their end because too many were in progress; most of them never end.")
	if err != nil {
		panic("otelmw: " + err.Error())
	}
	p.table.init(c.limit)
	p.own.init(c.limit)
	if !c.hopOnly {
		p.red = newREDFamilies(c.core)
	}
	return p
}

// OnStart tracks a span. It finds the hop that the span belongs to.
func (p *SpanProcessor) OnStart(parent context.Context, s sdktrace.ReadWriteSpan) {
	sc, up := s.SpanContext(), s.Parent()
	kind := s.SpanKind()
	r := &record{key: keyOf(sc), kind: kind, own: s.InstrumentationScope().Name == adapter.Scope}
	var above *record
	local := up.IsValid() && !up.IsRemote()
	if local {
		if above = p.table.get(keyOf(up)); above == nil {
			above = p.own.get(keyOf(up))
		}
	}
	if above != nil {
		r.hop, r.inCall = above.hop, above.inCall
	}
	h := adapter.FromContext(parent)
	if r.adapter = h; above != nil && h != nil && h != above.adapter {
		r.leaveHop() // the adapter's span need not be of this tracer provider
	}
	switch kind {
	case trace.SpanKindServer, trace.SpanKindConsumer:
		p.startHandling(parent, s, r, h, local)
	case trace.SpanKindClient, trace.SpanKindProducer:
		p.startCall(s, r, h, local && above == nil)
	}
	if r.own {
		p.own.put(r)
	} else if old := p.table.put(r); old != nil {
		p.evicted.Inc()
		old.wait.End()
		if old.call && old.hop != nil {
			old.hop.giveUp(old, s.StartTime())
		}
	}
}

// startHandling tracks a server or consumer span. It starts a hop unless the span
// belongs to one: the span of a handler within a handler.
func (p *SpanProcessor) startHandling(parent context.Context, s sdktrace.ReadWriteSpan, r *record, h *adapter.Hop, local bool) {
	switch {
	case r.own:
		r.leaveHop()
	case h != nil && (local || r.kind == trace.SpanKindServer), r.hop != nil && !r.inCall:
		// A handler within a handler.
	default:
		r.inCall = false
		r.hop = &hopState{core: p.core, root: r.key, start: s.StartTime()}
		if !p.public {
			r.hop.entry, r.hop.entryStart, r.hop.async = p.core.EntryFromBaggage(parent)
		}
		if r.hop.entry != "" && r.kind == trace.SpanKindServer {
			if a := read(s.Attributes()); a.caller != "" && !p.core.TrustsCaller(a.caller) {
				r.hop.entry, r.hop.entryStart, r.hop.async = "", time.Time{}, false
			}
		}
		r.hop.async = r.hop.async || r.kind == trace.SpanKindConsumer
	}
}

// startCall tracks a client or producer span. unknown reports that its parent is not
// tracked: it was not recorded, or evicted.
func (p *SpanProcessor) startCall(s sdktrace.ReadWriteSpan, r *record, h *adapter.Hop, unknown bool) {
	nested := r.inCall
	r.inCall = true
	if nested || r.own {
		return
	}
	r.call = true
	if h != nil {
		a := read(s.Attributes())
		r.wait = h.StartCall(a.dependency(r.kind, s.Name(), p.core))
	}
	switch {
	case r.hop != nil:
		r.span = s
		r.hop.enter(r)
	case h == nil && !unknown && r.kind == trace.SpanKindClient:
		r.outside = true
	}
}

// OnEnd observes the metrics of a span.
func (p *SpanProcessor) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.InstrumentationScope().Name == adapter.Scope {
		p.own.take(keyOf(s.SpanContext()))
		return
	}
	r := p.table.take(keyOf(s.SpanContext()))
	if r == nil {
		return
	}
	r.wait.End()
	root := r.hop != nil && r.hop.root == r.key
	handling := r.kind == trace.SpanKindServer || r.kind == trace.SpanKindConsumer
	if !r.call && !handling {
		return
	}
	a := read(s.Attributes())
	start, end := s.StartTime(), s.EndTime()
	switch {
	case r.call:
		dep := a.dependency(r.kind, s.Name(), p.core)
		if r.hop != nil {
			r.hop.leave(r, dep, start, end)
		}
		if r.outside {
			p.core.CountOutside(dep)
		}
		p.red.call(&a, r.kind, dep, s, end)
	case !root:
		if r.hop != nil {
			r.hop.within(a.operation(r.kind, s.Name(), p.core))
		}
	default:
		p.end(r.hop, &a, s)
	}
}

// end reports a hop.
func (p *SpanProcessor) end(h *hopState, a *attributes, s sdktrace.ReadOnlySpan) {
	duration := max(s.EndTime().Sub(h.start), 0)
	waits, covered, inner, superseded := h.close(s.EndTime())
	if superseded {
		return
	}
	op, known := a.operation(s.SpanKind(), s.Name(), p.core)
	if !known && inner != "" {
		op = inner
	}
	p.core.Report(&adapter.Measured{
		Protocol: a.protocol(s.SpanKind()), Operation: op, Entry: h.entry, EntryStart: h.entryStart, Async: h.async,
		End: s.EndTime(), Duration: duration, Self: max(duration-covered, 0), Waits: waits, SpanContext: s.SpanContext(),
	})
	p.red.handled(a, s, p.core)
}

// Shutdown does nothing. The metrics stay in their registry.
func (p *SpanProcessor) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing, since nothing is queued.
func (p *SpanProcessor) ForceFlush(context.Context) error { return nil }
