package hop_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

var update = flag.Bool("update", false, "rewrite testdata/lines.jsonl")

// The lines that zerolog writes are read by people's parsers and alerts: each
// byte is kept.
func TestLinesByteForByte(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	stamp := zerolog.TimestampFunc
	zerolog.TimestampFunc = func() time.Time { return now }
	t.Cleanup(func() { zerolog.TimestampFunc = stamp })
	rec := mwtest.New(t, hop.WithLogger(zerolog.New(&out).With().Timestamp().Logger()), hop.WithClock(func() time.Time { return now }))
	run := func(in hop.Incoming, took time.Duration, end hop.Outcome, do func(context.Context)) {
		if in.Header == nil {
			in.Header = http.Header{"X-Correlation-Id": {"ticket-4711"}}
		}
		ctx, h := rec.Begin(context.Background(), in)
		if do != nil {
			do(ctx)
		}
		now = now.Add(took)
		h.End(end)
	}
	http200 := hop.Outcome{Level: zerolog.InfoLevel, Message: "request", StatusCode: 200, Bytes: 17}

	run(hop.Incoming{Protocol: "http", Operation: "GET /items/{id}"}, 1500*time.Microsecond, http200, nil)
	run(hop.Incoming{Protocol: "http", Operation: "GET /slow"}, 2*time.Second+20*time.Microsecond, http200, func(ctx context.Context) {
		c := hop.StartCall(ctx, hop.Dependency{Name: "db", Kind: hop.KindDatabase})
		now = now.Add(340 * time.Millisecond)
		c.End()
	})
	run(hop.Incoming{Protocol: "http", Operation: "backwards"}, -1500*time.Microsecond, http200, nil)
	run(hop.Incoming{Protocol: "http", Operation: `GET /"quoted"\ü`}, 0, hop.Outcome{Level: zerolog.ErrorLevel, Message: "request", StatusCode: 500,
		ErrorType: "panic", Failed: true, Err: errors.New("panic: \"x\"\n\tat y")}, nil)
	run(hop.Incoming{Protocol: "grpc", Operation: "tenhop.v1.Payment/Charge"}, time.Millisecond, hop.Outcome{Level: zerolog.WarnLevel, Message: "request",
		StatusName: "NOT_FOUND", ErrorType: "NOT_FOUND", Err: errors.New("no such card")}, nil)
	run(hop.Incoming{Protocol: "kafka", Operation: "process orders.placed", Async: true}, time.Millisecond, hop.Outcome{Level: zerolog.InfoLevel,
		Message: "record", StatusName: "ok", Queued: true, QueueWait: 1234567 * time.Microsecond}, nil)
	run(hop.Incoming{Protocol: "kafka", Operation: "process orders.placed", Async: true}, time.Millisecond, hop.Outcome{Level: zerolog.InfoLevel,
		Message: "record", StatusName: "ok", Queued: true, QueueWait: -1}, nil)
	run(hop.Incoming{Protocol: "http", Operation: "no span", Skip: hop.Traces}, 0, http200, func(ctx context.Context) {
		hop.Logger(ctx).Info().Msg("without a span")
	})
	run(hop.Incoming{Protocol: "http", Operation: "attributes on the span"}, 0, http200, func(ctx context.Context) {
		hop.SetAttributes(ctx, attribute.String("region", "eu"))
	})
	run(hop.Incoming{Protocol: "http", Operation: "quiet"}, 0, hop.Outcome{Quiet: true}, nil)
	run(hop.Incoming{Protocol: "http", Operation: "user lines"}, 0, http200, func(ctx context.Context) { userLines(ctx, now) })
	rec.Logger().Info().Str("port", "8080").Msg("outside any hop")

	const golden = "testdata/lines.jsonl"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := bytes.Split(out.Bytes(), []byte("\n")), bytes.Split(want, []byte("\n"))
	if len(got) != len(lines) {
		t.Errorf("%d lines, want %d", len(got), len(lines))
	}
	for i := range min(len(got), len(lines)) {
		if !bytes.Equal(got[i], lines[i]) {
			t.Errorf("line %d\ngot  %s\nwant %s", i+1, got[i], lines[i])
		}
	}
}

// userLines has each level and each type of field once.
func userLines(ctx context.Context, now time.Time) {
	l := hop.Logger(ctx)
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
