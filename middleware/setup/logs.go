package setup

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"
)

// logBridge converts zerolog's JSON lines to OTLP log records with the same fields.
type logBridge struct{ logger log.Logger }

func newLogBridge(p log.LoggerProvider) *logBridge {
	return &logBridge{logger: p.Logger("github.com/tenhop/tenhop/middleware")}
}

var severities = map[string]log.Severity{
	"trace": log.SeverityTrace, "debug": log.SeverityDebug, "info": log.SeverityInfo, "warn": log.SeverityWarn,
	"error": log.SeverityError, "fatal": log.SeverityFatal, "panic": log.SeverityFatal4,
}

// Write converts one line. It never fails, since the line itself was written.
func (b *logBridge) Write(line []byte) (int, error) {
	var fields map[string]any
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber() // a float64 would change large integers
	if dec.Decode(&fields) != nil {
		return len(line), nil
	}
	var rec log.Record
	ctx := context.Background()
	var sc trace.SpanContextConfig
	for k, v := range fields {
		s, isString := v.(string)
		switch {
		case k == "message" && isString:
			rec.SetBody(attribute.StringValue(s))
		case k == "level" && isString:
			rec.SetSeverity(severities[s])
			rec.SetSeverityText(s)
		case k == "time" && isString:
			if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
				rec.SetTimestamp(t)
			}
		case k == "trace_id" && isString:
			_, _ = hex.Decode(sc.TraceID[:], []byte(s[:min(len(s), 32)]))
		case k == "span_id" && isString:
			_, _ = hex.Decode(sc.SpanID[:], []byte(s[:min(len(s), 16)]))
		case isString:
			rec.AddAttributes(attribute.String(k, s))
		default:
			rec.AddAttributes(attributeOf(k, v))
		}
	}
	if s := trace.NewSpanContext(sc); s.IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, s)
	}
	b.logger.Emit(ctx, rec)
	return len(line), nil
}

// attributeOf returns a field that is not a string. Lists and objects stay JSON.
func attributeOf(k string, v any) attribute.KeyValue {
	switch v := v.(type) {
	case bool:
		return attribute.Bool(k, v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return attribute.Int64(k, n)
		}
		if f, err := v.Float64(); err == nil {
			return attribute.Float64(k, f)
		}
		return attribute.String(k, v.String())
	}
	b, err := json.Marshal(v)
	if err != nil {
		return attribute.String(k, fmt.Sprint(v))
	}
	return attribute.String(k, string(b))
}

// logQueue is the SDK's batch processor with a count of its dropped records. Records
// written minus records exported are queued. Beyond the queue's size the SDK overwrites
// them silently.
type logQueue struct {
	sdklog.Processor
	queued  *atomic.Int64
	size    int64
	dropped prometheus.Counter
}

func newLogQueue(exp sdklog.Exporter, reg prometheus.Registerer, c *exportWarnings) *logQueue {
	q := &logQueue{queued: &atomic.Int64{}, size: int64(queueSize("BLRP")), dropped: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tenhop_log_records_dropped_total", Help: "Log records that were not exported over OTLP: the queue was full or the exporter failed.",
	})}
	q.dropped = registered(reg, q.dropped)
	q.Processor = sdklog.NewBatchProcessor(&countedLogs{Exporter: exp, queued: q.queued, dropped: q.dropped, exportWarnings: c},
		sdklog.WithMaxQueueSize(queueSize("BLRP")), sdklog.WithExportMaxBatchSize(batchSize("BLRP")),
		sdklog.WithExportInterval(duration("OTEL_BLRP_SCHEDULE_DELAY", time.Second)), sdklog.WithExportTimeout(timeout("OTEL_BLRP_EXPORT_TIMEOUT", 30*time.Second)))
	return q
}

// OnEmit passes the record to the batch processor unless its queue is full.
func (q *logQueue) OnEmit(ctx context.Context, r *sdklog.Record) error {
	if q.queued.Add(1) > q.size {
		q.queued.Add(-1)
		q.dropped.Inc()
		return nil
	}
	return q.Processor.OnEmit(ctx, r)
}

type countedLogs struct {
	sdklog.Exporter
	queued         *atomic.Int64
	dropped        prometheus.Counter
	exportWarnings *exportWarnings
}

func (c *countedLogs) Export(ctx context.Context, records []sdklog.Record) error {
	ctx, cancel := c.exportWarnings.bounded(ctx)
	defer cancel()
	err := c.Exporter.Export(ctx, records)
	c.queued.Add(-int64(len(records)))
	if err != nil {
		lost := len(records)
		if n, partial := rejected(err); partial {
			lost = min(n, lost)
		}
		c.dropped.Add(float64(lost))
		return c.exportWarnings.failed("log records", lost, err)
	}
	return nil
}

// timestamp writes the time in microseconds, since the lines of a request are
// milliseconds apart. zerolog's own hook writes seconds, or what a global variable says,
// which belongs to the program.
type timestamp struct{}

const microseconds = "2006-01-02T15:04:05.000000Z07:00"

// Run implements zerolog.Hook.
func (timestamp) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	var buf [len(microseconds) + 8]byte
	e.Bytes(zerolog.TimestampFieldName, time.Now().AppendFormat(buf[:0], microseconds))
}
