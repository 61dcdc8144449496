package hop_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// Parsers and alerts read these lines. Their bytes are those that zerolog wrote
// before Logger returned a slog.Logger, whichever interface a service uses.
func TestLinesByteForByte(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	stamp := zerolog.TimestampFunc
	zerolog.TimestampFunc = func() time.Time { return now }
	t.Cleanup(func() { zerolog.TimestampFunc = stamp })
	want, err := os.ReadFile("testdata/lines.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]userLines{
		"slog": {viaSlog, func(ctx context.Context, m string) { hop.Logger(ctx).Info(m) },
			func(t *hop.Telemetry) { t.Logger().Info("outside any hop", "port", "8080") }},
		"zerolog": {viaZerolog, func(ctx context.Context, m string) { hop.Zerolog(ctx).Info().Msg(m) },
			func(t *hop.Telemetry) { t.Zerolog().Info().Str("port", "8080").Msg("outside any hop") }},
	} {
		t.Run(name, func(t *testing.T) {
			now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
			got, lines := bytes.Split(writeLines(t, &now, w), []byte("\n")), bytes.Split(want, []byte("\n"))
			if len(got) != len(lines) {
				t.Errorf("%d lines, want %d", len(got), len(lines))
			}
			for i := range min(len(got), len(lines)) {
				if !bytes.Equal(got[i], lines[i]) {
					t.Errorf("line %d\ngot  %s\nwant %s", i+1, got[i], lines[i])
				}
			}
		})
	}
}

// The error of a hop's line follows zerolog's settings, as Err of an event does.
func TestErrorAsZerologIsSet(t *testing.T) {
	name, stack := zerolog.ErrorFieldName, zerolog.ErrorStackMarshaler
	zerolog.ErrorFieldName, zerolog.ErrorStackMarshaler = "err", func(error) any { return "main.go:7" }
	t.Cleanup(func() { zerolog.ErrorFieldName, zerolog.ErrorStackMarshaler = name, stack })
	var out bytes.Buffer
	rec := mwtest.New(t, hop.WithZerolog(zerolog.New(&out).With().Stack().Logger()))
	_, h := rec.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /"})
	h.End(adapter.Outcome{Level: slog.LevelError, Err: errors.New("full"), ErrorType: "disk", Failed: true})
	if want := `"error_type":"disk","stack":"main.go:7","err":"full"}`; !bytes.Contains(out.Bytes(), []byte(want)) {
		t.Errorf("%s is not in %s", want, out.Bytes())
	}
}

// userLines writes the lines of a service through one of the two interfaces.
type userLines struct {
	all     func(context.Context, time.Time)
	message func(context.Context, string)
	outside func(*hop.Telemetry)
}

// writeLines runs hops of every kind and returns what they log.
func writeLines(t *testing.T, clock *time.Time, w userLines) []byte {
	t.Helper()
	var out bytes.Buffer
	rec := mwtest.New(t, hop.WithZerolog(zerolog.New(&out).With().Timestamp().Logger()), hop.WithClock(func() time.Time { return *clock }))
	run := func(in adapter.Incoming, took time.Duration, end adapter.Outcome, do func(context.Context)) {
		if in.Header == nil {
			in.Header = http.Header{"X-Correlation-Id": {"ticket-4711"}}
		}
		ctx, h := rec.Core().Begin(context.Background(), in)
		if do != nil {
			do(ctx)
		}
		*clock = clock.Add(took)
		h.End(end)
	}
	http200 := adapter.Outcome{Level: slog.LevelInfo, Message: "request", StatusCode: 200, Bytes: 17}

	run(adapter.Incoming{Protocol: "http", Operation: "GET /items/{id}"}, 1500*time.Microsecond, http200, nil)
	run(adapter.Incoming{Protocol: "http", Operation: "GET /slow"}, 2*time.Second+20*time.Microsecond, http200, func(ctx context.Context) {
		c := hop.StartCall(ctx, hop.Dependency{Name: "db", Kind: hop.KindDatabase})
		*clock = clock.Add(340 * time.Millisecond)
		c.End()
	})
	run(adapter.Incoming{Protocol: "http", Operation: "backwards"}, -1500*time.Microsecond, http200, nil)
	run(adapter.Incoming{Protocol: "http", Operation: `GET /"quoted"\ü`}, 0, adapter.Outcome{Level: slog.LevelError, Message: "request", StatusCode: 500,
		ErrorType: "panic", Failed: true, Err: errors.New("panic: \"x\"\n\tat y")}, nil)
	run(adapter.Incoming{Protocol: "grpc", Operation: "tenhop.v1.Payment/Charge"}, time.Millisecond, adapter.Outcome{Level: slog.LevelWarn, Message: "request",
		StatusName: "NOT_FOUND", ErrorType: "NOT_FOUND", Err: errors.New("no such card")}, nil)
	run(adapter.Incoming{Protocol: "kafka", Operation: "process orders.placed", Async: true}, time.Millisecond, adapter.Outcome{Level: slog.LevelInfo,
		Message: "record", StatusName: "ok", Queued: true, QueueWait: 1234567 * time.Microsecond}, nil)
	run(adapter.Incoming{Protocol: "kafka", Operation: "process orders.placed", Async: true}, time.Millisecond, adapter.Outcome{Level: slog.LevelInfo,
		Message: "record", StatusName: "ok", Queued: true, QueueWait: -1}, nil)
	run(adapter.Incoming{Protocol: "http", Operation: "no span", Skip: hop.Traces}, 0, http200, func(ctx context.Context) {
		w.message(ctx, "without a span")
	})
	run(adapter.Incoming{Protocol: "http", Operation: "attributes on the span"}, 0, http200, func(ctx context.Context) {
		hop.SetAttributes(ctx, attribute.String("region", "eu"))
	})
	run(adapter.Incoming{Protocol: "http", Operation: "quiet"}, 0, adapter.Outcome{Quiet: true}, nil)
	run(adapter.Incoming{Protocol: "http", Operation: "user lines"}, 0, http200, func(ctx context.Context) { w.all(ctx, *clock) })
	w.outside(rec.Telemetry)
	return out.Bytes()
}

// viaZerolog writes each level and each type of field once.
func viaZerolog(ctx context.Context, now time.Time) {
	l := hop.Zerolog(ctx)
	l.Debug().Msg("debug")
	l.Info().Msg("")
	l.Warn().Err(errors.New("full")).Str("disk", "/var").Msg("the row stays")
	l.Error().Int("cents", -990).Int64("offset", 1<<40).Uint64("id", 1<<63).Msg("numbers")
	l.Info().Float64("ratio", 0.25).Float64("big", 1e21).Bool("ok", true).Msg("others")
	l.Info().Dur("took", 1500*time.Microsecond).Time("at", now).Msg("times")
	l.Info().Interface("list", []string{"a", "b"}).Interface("map", map[string]int{"n": 1}).Interface("nothing", nil).Msg("values")
	l.Info().Dict("card", zerolog.Dict().Str("brand", "visa").Int("digits", 16)).Msg("a group")
	with := l.With().Str("tenant", "t-1").Logger()
	with.Info().Str("path", "a\\b\x1b").Msg("with \"fields\"")
}

// viaSlog writes the same lines as viaZerolog.
func viaSlog(ctx context.Context, now time.Time) {
	l := hop.Logger(ctx)
	l.Debug("debug")
	l.Info("")
	l.Warn("the row stays", "error", errors.New("full"), "disk", "/var")
	l.Error("numbers", "cents", -990, "offset", int64(1<<40), "id", uint64(1<<63))
	l.Info("others", "ratio", 0.25, "big", 1e21, "ok", true)
	l.Info("times", "took", 1500*time.Microsecond, "at", now)
	l.Info("values", "list", []string{"a", "b"}, "map", map[string]int{"n": 1}, "nothing", nil)
	l.Info("a group", slog.Group("card", "brand", "visa", "digits", 16))
	l.With("tenant", "t-1").InfoContext(ctx, "with \"fields\"", "path", "a\\b\x1b")
}
