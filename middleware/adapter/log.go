package adapter

import (
	"errors"
	"hash/maphash"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/internal/zlog"
)

// LogSampling drops a share of the log lines of successful, fast messages. Lines
// of failed messages are always kept.
type LogSampling struct {
	Rate       float64            // share of the lines kept, 0 to 1
	Operations map[string]float64 // shares that differ for single operations
	Slow       time.Duration      // lines of messages at least this slow are kept; 0 disables this
}

var sampleSeed = maphash.MakeSeed()

// sampledOut decides by the correlation ID, so that a process keeps all lines of a
// request or none.
func (h *Hop) sampledOut(out *Outcome, tm Timing, op string) bool {
	s := h.core.sampling
	if s == nil || out.Failed || out.ErrorType != "" || s.Slow > 0 && tm.Duration >= s.Slow {
		return false
	}
	rate, ok := s.Operations[op]
	if !ok {
		rate = s.Rate
	}
	return float64(maphash.String(sampleSeed, h.metadata.Correlation)>>11) >= rate*(1<<53)
}

// lineFields is a pooled buffer for the fields of one log line of slog.
type lineFields [12]slog.Attr

var fieldPool = sync.Pool{New: func() any { return new(lineFields) }}

// log writes the hop's line, to zerolog or to the slog logger of the Core.
func (h *Hop) log(out *Outcome, tm Timing, op string) {
	if h.sampledOut(out, tm, op) {
		return
	}
	if h.core.viaSlog {
		if !h.core.slog.Enabled(&h.ctx, out.Level) {
			return
		}
	} else if zlog.Level(out.Level) < h.core.zerolog.GetLevel() {
		return
	}
	if h.core.viaSlog {
		h.logSlog(out, tm, op)
	} else {
		h.logZerolog(out, tm, op)
	}
}

// logZerolog writes the line field by field, which costs half of what a list of
// attributes does.
func (h *Hop) logZerolog(out *Outcome, tm Timing, op string) {
	e := h.core.zerolog.WithLevel(zlog.Level(out.Level))
	if e == nil {
		return
	}
	if sc := h.span.SpanContext(); sc.IsValid() {
		tid, sid := sc.TraceID(), sc.SpanID()
		e = e.Hex("trace_id", tid[:]).Hex("span_id", sid[:])
	}
	e = e.Str(CorrelationKey, h.metadata.Correlation).Str("operation", op)
	e = milliseconds(milliseconds(e, "duration_ms", tm.Duration), "self_ms", tm.Self)
	switch {
	case out.StatusCode != 0:
		e = e.Int64("status", int64(out.StatusCode)).Int64("bytes", out.Bytes)
	case out.StatusName != "":
		e = e.Str("status", out.StatusName)
	}
	if out.Queued && out.QueueWait >= 0 {
		e = milliseconds(e, "queue_wait_ms", out.QueueWait)
	}
	for _, a := range out.Fields {
		if a.Value.Kind() == slog.KindDuration {
			e = milliseconds(e, a.Key, a.Value.Duration())
		} else {
			e = zlog.Append(e, a)
		}
	}
	if out.ErrorType != "" {
		e = e.Str("error_type", out.ErrorType)
	}
	if stack, ok := stackOf(out); ok {
		e = e.Str("stack", stack)
	}
	if out.Err != nil {
		e = e.Err(out.Err) // with the stack and under the name that zerolog is set to
	}
	e.Msg(out.Message)
}

// stackOf returns the stack of a panic.
func stackOf(out *Outcome) (string, bool) {
	if !out.Failed {
		return "", false
	}
	var p *panicError // errors.As moves it to the heap, so it is declared here only
	if !errors.As(out.Err, &p) {
		return "", false
	}
	return p.stack, true
}

// fields appends the fields that logZerolog writes to buf. The IDs of the trace precede
// them, and the error follows.
func (h *Hop) fields(buf []slog.Attr, out *Outcome, tm Timing, op string) []slog.Attr {
	a := append(buf, slog.String(CorrelationKey, h.metadata.Correlation), slog.String("operation", op),
		slog.Duration("duration_ms", tm.Duration), slog.Duration("self_ms", tm.Self))
	switch {
	case out.StatusCode != 0:
		a = append(a, slog.Int("status", out.StatusCode), slog.Int64("bytes", out.Bytes))
	case out.StatusName != "":
		a = append(a, slog.String("status", out.StatusName))
	}
	if out.Queued && out.QueueWait >= 0 {
		a = append(a, slog.Duration("queue_wait_ms", out.QueueWait))
	}
	a = append(a, out.Fields...)
	if out.ErrorType != "" {
		a = append(a, slog.String("error_type", out.ErrorType))
	}
	if stack, ok := stackOf(out); ok {
		a = append(a, slog.String("stack", stack))
	}
	return a
}

func (h *Hop) logSlog(out *Outcome, tm Timing, op string) {
	buf := fieldPool.Get().(*lineFields)
	fields := h.fields(buf[:0], out, tm, op)
	defer func() {
		clear(buf[:])
		fieldPool.Put(buf)
	}()
	r := slog.NewRecord(h.core.Now(), out.Level, out.Message, 0)
	if sc := h.span.SpanContext(); sc.IsValid() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	for i, a := range fields {
		if a.Value.Kind() == slog.KindDuration {
			fields[i].Value = slog.Float64Value(ms(a.Value.Duration()))
		}
	}
	r.AddAttrs(fields...)
	if out.Err != nil {
		r.AddAttrs(slog.Any("error", out.Err))
	}
	_ = h.core.slog.Handler().Handle(&h.ctx, r) // as slog.Logger does
}

// milliseconds writes a field as ms has it, from integers, at half the cost of a
// float.
func milliseconds(e *zerolog.Event, key string, d time.Duration) *zerolog.Event {
	us := d.Microseconds()
	if us < 0 {
		return e.Float64(key, ms(d))
	}
	var buf [24]byte
	b := strconv.AppendInt(buf[:0], us/1000, 10)
	if us %= 1000; us > 0 {
		b = append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return e.RawJSON(key, b)
}
