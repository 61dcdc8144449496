package zlog_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"

	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/internal/zlog"
)

// The standard library's contract for handlers, but for the record's time, which
// the handler leaves to the logger.
func TestHandlerContract(t *testing.T) {
	var b bytes.Buffer
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		b.Reset()
		c := zerolog.New(&b).With()
		if !strings.HasSuffix(t.Name(), "/zero-time") {
			c = c.Timestamp()
		}
		return &zlog.Handler{Logger: c.Logger()}
	}, func(t *testing.T) map[string]any {
		m := map[string]any{}
		if err := json.Unmarshal(b.Bytes(), &m); err != nil {
			t.Fatalf("%v in %s", err, b.Bytes())
		}
		m[slog.MessageKey] = m[zerolog.MessageFieldName]
		return m
	})
}

// A level that the logger does not write is not enabled, so that slog builds no
// record for it.
func TestEnabledFollowsTheLogger(t *testing.T) {
	for _, c := range []struct {
		logger zerolog.Logger
		level  slog.Level
		want   bool
	}{
		{zerolog.New(&bytes.Buffer{}).Level(zerolog.WarnLevel), slog.LevelInfo, false},
		{zerolog.New(&bytes.Buffer{}).Level(zerolog.WarnLevel), slog.LevelWarn, true},
		{zerolog.New(&bytes.Buffer{}).Level(zerolog.WarnLevel), slog.LevelError + 4, true},
		{zerolog.New(&bytes.Buffer{}).Level(zerolog.DebugLevel), slog.LevelDebug - 1, false},
		{zerolog.Nop(), slog.LevelError, false},
	} {
		if got := (&zlog.Handler{Logger: c.logger}).Enabled(t.Context(), c.level); got != c.want {
			t.Errorf("level %v of a %v logger: enabled %v", c.level, c.logger.GetLevel(), got)
		}
	}
}
