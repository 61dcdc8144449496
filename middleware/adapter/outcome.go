package adapter

import (
	"log/slog"
	"runtime/pprof"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/internal/marks"
)

// Outcome describes how a hop or a call ended. The zero Outcome is a success. A
// call has no log line and uses ErrorType, Failed and Attrs only.
type Outcome struct {
	Err       error      // nil on success; only the log line has its text
	ErrorType string     // error.type, of low cardinality; "" on success
	Failed    bool       // the span's status is an error
	Level     slog.Level // of the log line
	Message   string     // of the log line
	Quiet     bool       // no log line
	Unmetered bool       // no metrics, neither the hop_* families nor Series
	Series    *Series    // of the transport's own histogram, observed before the span ends; may be nil

	// StatusCode or StatusName is the field status of the log line.
	StatusCode int
	StatusName string
	Bytes      int64 // size of the response in the log line, when StatusCode is set

	// Fields are further fields of the log line. A time.Duration is written in
	// milliseconds. The slice may be reused once End has returned.
	Fields []slog.Attr

	// Attrs are the span attributes known only at the end. Spare capacity for four
	// more saves an allocation.
	Attrs []attribute.KeyValue

	Queued    bool          // the message came from a queue
	QueueWait time.Duration // time in the queue, negative when unknown
}

// Timing holds the duration of a hop and its self time.
type Timing struct{ Duration, Self time.Duration }

// End ends the hop: it observes its metrics, ends its span and writes its log line.
// It ends the calls in flight. Only the first End has an effect.
func (h *Hop) End(out Outcome) Timing {
	if h == nil {
		return Timing{}
	}
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return Timing{}
	}
	h.ended = true
	pending := h.pending
	h.pending = nil
	op, entry := h.operation, h.metadata.Entry // neither changes from now on
	h.mu.Unlock()
	h.core.inFlight.remove(h)
	if h.unlabelled != nil {
		pprof.SetGoroutineLabels(h.unlabelled)
	}
	if op == "" {
		op = h.Operation()
	}
	if entry == "" {
		entry = op
	}

	total := h.elapsed()
	covered, slots := h.ledger.close(total)
	for p := pending; p != nil; {
		next := p.next
		p.end()
		p = next
	}
	tm := Timing{Duration: total, Self: max(total-covered, 0)}
	if marks.On() {
		h.ledger.mark.End(op, tm.Duration, tm.Self)
	}
	now := h.start.Add(total)
	exemplar := false
	if !out.Unmetered && h.skip&Metrics == 0 {
		exemplar = h.observe(&out, tm, now, op, entry, slots)
	}
	if h.skip&Traces == 0 {
		h.endSpan(&out, tm, now, exemplar)
	}
	if !out.Quiet && h.skip&Logs == 0 {
		h.log(&out, tm, op)
	}
	return tm
}

// observe feeds the hop's families and reports whether one took an exemplar.
func (h *Hop) observe(out *Outcome, tm Timing, now time.Time, op, entry string, slots []slot) (exemplar bool) {
	f, sc := h.core.families, h.span.SpanContext()
	if h.named != nil {
		entry = h.named.label()
	}
	s := f.ofHop(hopLabels{h.protocol, op, entry, h.Flow()})
	take := func(series *Series, d time.Duration) { exemplar = series.Observe(d, now, sc) || exemplar }
	take(s.self, tm.Self)
	take(s.whole, tm.Duration)
	for i := range slots {
		take(s.waitFor(f, slots[i].dep), slots[i].waited)
	}
	if out.Queued {
		if out.QueueWait >= 0 {
			take(s.resolved(&s.queue, f.queue), out.QueueWait)
		}
		if d := now.Sub(h.metadata.EntryStart); d < maxCompletion {
			take(s.resolved(&s.completion, f.completion), d)
		}
	}
	if out.Series != nil {
		take(out.Series, tm.Duration)
	}
	return exemplar
}

// maxCompletion bounds the time from an entry to its completion. A start before it is made
// up: one such completion would outweigh all others in a sum.
const maxCompletion = 365 * 24 * time.Hour

func (h *Hop) endSpan(out *Outcome, tm Timing, now time.Time, exemplar bool) {
	if h.span.IsRecording() {
		attrs := append(out.Attrs, attribute.String(CorrelationKey, h.metadata.Correlation), attrSelf.Float64(ms(tm.Self)))
		if out.ErrorType != "" {
			attrs = append(attrs, AttrErrorType.String(out.ErrorType))
		}
		if exemplar {
			attrs = append(attrs, attrExemplar.Bool(true))
		}
		if e, ok := h.span.(spanEnder); ok {
			e.EndWith(now, out.Failed, attrs)
			return
		}
		setAttributes(h.span, attrs)
		if out.Failed {
			h.span.SetStatus(codes.Error, "")
		}
	}
	h.core.endSpan(h.span, now)
}

// endSpan passes the measured end to the span only when the Core has a clock of
// its own. Otherwise the SDK's reading is as good and cheaper.
func (t *Core) endSpan(span trace.Span, now time.Time) {
	if t.clock != nil {
		span.End(trace.WithTimestamp(now))
		return
	}
	span.End()
}

// ms returns a duration in milliseconds with microsecond precision.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
