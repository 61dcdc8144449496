package setup

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"
)

// logBridge turns zerolog's JSON lines into OTLP log records, so that both
// ways out carry the same fields.
type logBridge struct{ logger log.Logger }

func newLogBridge(p *sdklog.LoggerProvider) *logBridge {
	return &logBridge{logger: p.Logger("github.com/tenhop/tenhop/middleware")}
}

var severities = map[string]log.Severity{
	"trace": log.SeverityTrace, "debug": log.SeverityDebug, "info": log.SeverityInfo, "warn": log.SeverityWarn,
	"error": log.SeverityError, "fatal": log.SeverityFatal, "panic": log.SeverityFatal4,
}

// Write takes one line; it never fails, since the line itself was written.
func (b *logBridge) Write(line []byte) (int, error) {
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil {
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
			switch n := v.(type) {
			case float64:
				rec.AddAttributes(attribute.Float64(k, n))
			case bool:
				rec.AddAttributes(attribute.Bool(k, n))
			}
		}
	}
	if s := trace.NewSpanContext(sc); s.IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, s)
	}
	b.logger.Emit(ctx, rec)
	return len(line), nil
}

// countedLogs counts the records that the exporter gave up on.
type countedLogs struct {
	sdklog.Exporter
	dropped prometheus.Counter
}

func newCountedLogs(exp sdklog.Exporter, reg prometheus.Registerer) *countedLogs {
	c := &countedLogs{Exporter: exp, dropped: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tenhop_log_records_dropped_total", Help: "Log records that were not exported over OTLP.",
	})}
	_ = reg.Register(c.dropped)
	return c
}

func (c *countedLogs) Export(ctx context.Context, records []sdklog.Record) error {
	err := c.Exporter.Export(ctx, records)
	if err != nil {
		c.dropped.Add(float64(len(records)))
	}
	return err
}

// timestamp writes the time in microseconds: the lines of one request are
// milliseconds apart. zerolog's own has seconds, or a global setting that is the
// program's to choose.
type timestamp struct{}

const microseconds = "2006-01-02T15:04:05.000000Z07:00"

// Run implements zerolog.Hook.
func (timestamp) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	var buf [len(microseconds) + 8]byte
	e.Bytes(zerolog.TimestampFieldName, time.Now().AppendFormat(buf[:0], microseconds))
}
