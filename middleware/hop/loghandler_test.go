package hop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

func decode(t *testing.T, b *bytes.Buffer) map[string]any {
	t.Helper()
	m := map[string]any{}
	if err := json.Unmarshal(b.Bytes(), &m); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return m
}

func TestIDsStayAtTheTopLevel(t *testing.T) {
	rec := mwtest.New(t)
	ctx, h := rec.Core().Begin(context.Background(), adapter.Incoming{Operation: "op", Header: http.Header{"X-Correlation-Id": {"c-1"}}})
	defer h.End(adapter.Outcome{})
	var b bytes.Buffer
	l := slog.New(hop.NewLogHandler(slog.NewJSONHandler(&b, nil)))
	l.InfoContext(ctx, "plain")
	if m := decode(t, &b); m["correlation_id"] != "c-1" || m["trace_id"] == nil || m["span_id"] == nil {
		t.Errorf("line %v", m)
	}
	b.Reset()
	l.With("a", 1).WithGroup("g").With("b", 2).InfoContext(ctx, "grouped", "c", 3)
	m := decode(t, &b)
	if g, _ := m["g"].(map[string]any); m["correlation_id"] != "c-1" || m["a"] != 1. || g["b"] != 2. || g["c"] != 3. {
		t.Errorf("line %v", m)
	}
}

func TestHandlerContract(t *testing.T) {
	var b bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		return hop.NewLogHandler(slog.NewJSONHandler(&b, nil))
	}, func(t *testing.T) map[string]any { return decode(t, &b) })
}

// A service's own slog logger gets the fields that zerolog's line has, once each,
// also when its handler adds the request's IDs itself.
func TestLinesOfASlogLogger(t *testing.T) {
	for name, handler := range map[string]func(slog.Handler) slog.Handler{
		"plain":         func(h slog.Handler) slog.Handler { return h },
		"NewLogHandler": hop.NewLogHandler,
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			rec := mwtest.New(t, hop.WithLogger(slog.New(handler(slog.NewJSONHandler(&b, nil)))))
			ctx, h := rec.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /x",
				Header: http.Header{"X-Correlation-Id": {"c-1"}}})
			hop.Logger(ctx).InfoContext(ctx, "charged", "cents", 990)
			line := b.String()
			if m := decode(t, &b); m["msg"] != "charged" || m["cents"] != 990. || m["service"] != "test" || m["correlation_id"] != "c-1" ||
				m["trace_id"] == nil || m["span_id"] == nil || strings.Count(line, "correlation_id") != 1 {
				t.Errorf("user line %s", line)
			}
			b.Reset()
			h.End(adapter.Outcome{Level: slog.LevelError, Message: "request", StatusCode: 500, ErrorType: "500", Failed: true,
				Queued: true, QueueWait: 1500 * time.Microsecond, Err: errors.New("full"), Fields: []slog.Attr{slog.Int("shard", 3)}})
			line = b.String()
			m := decode(t, &b)
			for key, want := range map[string]any{"level": "ERROR", "msg": "request", "service": "test", "correlation_id": "c-1", "operation": "GET /x",
				"status": 500., "bytes": 0., "queue_wait_ms": 1.5, "shard": 3., "error_type": "500", "error": "full"} {
				if m[key] != want {
					t.Errorf("%s is %v, want %v", key, m[key], want)
				}
			}
			_, isNumber := m["duration_ms"].(float64)
			if !isNumber || m["trace_id"] == nil || strings.Count(line, "trace_id") != 1 {
				t.Errorf("line %s", line)
			}
		})
	}
}

// A level that the service's logger does not write costs no line.
func TestSlogLevelIsRespected(t *testing.T) {
	var b bytes.Buffer
	rec := mwtest.New(t, hop.WithLogger(slog.New(slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	_, h := rec.Core().Begin(context.Background(), adapter.Incoming{Operation: "op"})
	h.End(adapter.Outcome{})
	if b.Len() > 0 {
		t.Errorf("logged %s", &b)
	}
}
