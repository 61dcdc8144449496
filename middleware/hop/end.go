package hop

import (
	"hash/maphash"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Outcome is how a hop or a call ended.
type Outcome struct {
	Err       error         // nil when it ended well; its text goes to the log only
	ErrorType string        // error.type: low cardinality; "" when it ended well
	Failed    bool          // the span's status is an error
	Level     zerolog.Level // of the log line
	Message   string        // of the log line
	Quiet     bool          // no log line
	Unmetered bool          // no metrics, neither the hop_* families nor Series; span and log line stay
	Series    *Series       // of the transport's own histogram, which a Hop observes before its span ends; may be nil

	// StatusCode and StatusName are the transport's status in the log line: the
	// one that is set is written as the field status.
	StatusCode int
	StatusName string
	Bytes      int64 // size of the answer in the log line, when StatusCode is set

	Status    func(*zerolog.Event) // adds further fields to the log line
	Attrs     []attribute.KeyValue // known only at the end; room for four more spares an allocation
	Queued    bool                 // the message came from a queue
	QueueWait time.Duration        // how long a queued message waited; negative when that is unknown
}

// Timing is what a hop measured of itself.
type Timing struct{ Duration, Self time.Duration }

// End ends the hop: its families, its span and its log line. Calls that are
// still in flight end with it. Only the first call counts.
func (h *Hop) End(out Outcome) Timing {
	if h == nil {
		return Timing{}
	}
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return Timing{}
	}
	op, entry := h.operationLocked(), h.entryLocked()
	h.ended = true
	pending := h.pending
	h.pending = nil
	h.mu.Unlock()

	total := h.elapsed()
	covered, slots := h.ledger.close(total)
	for p := pending; p != nil; {
		next := p.next
		p.end()
		p = next
	}
	tm := Timing{Duration: total, Self: max(total-covered, 0)}
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

// observe feeds the hop's families and tells whether one took an exemplar.
func (h *Hop) observe(out *Outcome, tm Timing, now time.Time, op, entry string, slots []slot) (exemplar bool) {
	f, sc := h.t.families, h.span.SpanContext()
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
		take(s.resolved(&s.completion, f.completion), now.Sub(h.carried.start))
	}
	if out.Series != nil {
		take(out.Series, tm.Duration)
	}
	return exemplar
}

// attrExemplar marks the span of a hop whose request became an exemplar: tail
// sampling keeps its trace, so that the exemplar opens it.
const attrExemplar = attribute.Key("tenhop.exemplar")

func (h *Hop) endSpan(out *Outcome, tm Timing, now time.Time, exemplar bool) {
	if h.span.IsRecording() {
		attrs := append(out.Attrs, attribute.String(CorrelationKey, h.carried.correlation), attribute.Float64(attrSelf, ms(tm.Self)))
		if out.ErrorType != "" {
			attrs = append(attrs, AttrErrorType.String(out.ErrorType))
		}
		if exemplar {
			attrs = append(attrs, attrExemplar.Bool(true))
		}
		h.span.SetAttributes(attrs...)
		if out.Failed {
			h.span.SetStatus(codes.Error, "")
		}
	}
	h.t.endSpan(h.span, now)
}

// endSpan gives the span the end that was measured when the clock is not the
// SDK's; otherwise the SDK's own reading is as good and cheaper.
func (t *Telemetry) endSpan(span trace.Span, now time.Time) {
	if t.clock != nil {
		span.End(trace.WithTimestamp(now))
		return
	}
	span.End()
}

func (h *Hop) log(out *Outcome, tm Timing, op string) {
	if h.sampledOut(out, tm, op) {
		return
	}
	e := h.t.logger.WithLevel(out.Level)
	if e == nil || out.Level < h.t.logger.GetLevel() {
		return
	}
	if sc := h.span.SpanContext(); sc.IsValid() {
		tid, sid := sc.TraceID(), sc.SpanID()
		e = e.Hex("trace_id", tid[:]).Hex("span_id", sid[:])
	}
	e = logMs(logMs(e.Str(CorrelationKey, h.carried.correlation).Str("operation", op), "duration_ms", tm.Duration), "self_ms", tm.Self)
	switch {
	case out.StatusCode != 0:
		e = e.Int("status", out.StatusCode).Int64("bytes", out.Bytes)
	case out.StatusName != "":
		e = e.Str("status", out.StatusName)
	}
	if out.Queued && out.QueueWait >= 0 && out.Status == nil {
		e = logMs(e, "queue_wait_ms", out.QueueWait)
	}
	if out.Status != nil {
		out.Status(e)
	}
	if out.ErrorType != "" {
		e = e.Str("error_type", out.ErrorType)
	}
	if out.Err != nil {
		e = e.Err(out.Err)
	}
	e.Msg(out.Message)
}

// LogSampling thins out the lines of messages that ended well and fast.
type LogSampling struct {
	Rate       float64            // share of the lines kept, 0 to 1
	Operations map[string]float64 // shares of single operations instead
	Slow       time.Duration      // lines of slower messages always stay; 0 keeps none for that
}

// sampledOut decides by the correlation ID, so that a process keeps all lines
// of a request or none.
func (h *Hop) sampledOut(out *Outcome, tm Timing, op string) bool {
	s := h.t.sampling
	if s == nil || out.Failed || out.ErrorType != "" || s.Slow > 0 && tm.Duration >= s.Slow {
		return false
	}
	rate, ok := s.Operations[op]
	if !ok {
		rate = s.Rate
	}
	return float64(maphash.String(sampleSeed, h.carried.correlation)>>11) >= rate*(1<<53)
}

var sampleSeed = maphash.MakeSeed()

// ms is a duration in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// logMs writes a field as ms has it, in integers: half the cost of a float.
func logMs(e *zerolog.Event, key string, d time.Duration) *zerolog.Event {
	us := d.Microseconds()
	if us < 0 {
		return e.Float64(key, ms(d))
	}
	var room [24]byte
	b := strconv.AppendInt(room[:0], us/1000, 10)
	if us %= 1000; us > 0 {
		b = append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return e.RawJSON(key, b)
}
