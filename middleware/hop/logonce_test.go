package hop_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// opaque is a program's own handler around another.
type opaque struct{ slog.Handler }

func (o opaque) WithAttrs(a []slog.Attr) slog.Handler { return opaque{o.Handler.WithAttrs(a)} }
func (o opaque) WithGroup(n string) slog.Handler      { return opaque{o.Handler.WithGroup(n)} }

// A line has each of the library's fields once, in whichever order handlers and loggers
// are wrapped and whoever gave them the fields.
func TestEachFieldOnceInALine(t *testing.T) {
	type build func(*bytes.Buffer) (hop.Option, func(*hop.Telemetry, context.Context) *slog.Logger)
	ours := func(t *hop.Telemetry, ctx context.Context) *slog.Logger { return hop.Logger(ctx) }
	json := func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) }
	text := func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) }
	with := func(wrap func(*bytes.Buffer) slog.Handler, then func(*slog.Logger) *slog.Logger) build {
		return func(b *bytes.Buffer) (hop.Option, func(*hop.Telemetry, context.Context) *slog.Logger) {
			return hop.WithLogger(then(slog.New(wrap(b)))), ours
		}
	}
	same := func(l *slog.Logger) *slog.Logger { return l }
	named := func(l *slog.Logger) *slog.Logger { return l.With("service", "shop", "n", `"service":`) }
	around := func(inner func(*bytes.Buffer) slog.Handler, outer ...func(slog.Handler) slog.Handler) func(*bytes.Buffer) slog.Handler {
		return func(b *bytes.Buffer) slog.Handler {
			h := inner(b)
			for _, o := range outer {
				h = o(h)
			}
			return h
		}
	}
	own := func(h slog.Handler) slog.Handler { return opaque{h} }
	viaZerolog := func(b *bytes.Buffer) hop.Option { return hop.WithZerolog(zerolog.New(b)) }
	for name, c := range map[string]build{
		"JSON":                           with(json, same),
		"JSON with a service":            with(json, named),
		"text with a service":            with(text, named),
		"own handler with a service":     with(around(json, own), named),
		"NewLogHandler with a service":   with(around(json, hop.NewLogHandler), named),
		"NewLogHandler in NewLogHandler": with(around(json, hop.NewLogHandler, hop.NewLogHandler), same),
		"NewLogHandler in an own one":    with(around(json, hop.NewLogHandler, own), named),
		"an own one between two":         with(around(json, hop.NewLogHandler, own, hop.NewLogHandler), named),
		"NewLogHandler around the request's logger": func(b *bytes.Buffer) (hop.Option, func(*hop.Telemetry, context.Context) *slog.Logger) {
			return viaZerolog(b), func(_ *hop.Telemetry, ctx context.Context) *slog.Logger {
				return slog.New(hop.NewLogHandler(hop.Logger(ctx).Handler()))
			}
		},
		"NewLogHandler around the service's logger": func(b *bytes.Buffer) (hop.Option, func(*hop.Telemetry, context.Context) *slog.Logger) {
			return viaZerolog(b), func(tel *hop.Telemetry, _ context.Context) *slog.Logger {
				return slog.New(hop.NewLogHandler(tel.Logger().Handler())).With("service", "test")
			}
		},
		"an own handler around the service's logger": func(b *bytes.Buffer) (hop.Option, func(*hop.Telemetry, context.Context) *slog.Logger) {
			return viaZerolog(b), func(tel *hop.Telemetry, _ context.Context) *slog.Logger {
				return slog.New(hop.NewLogHandler(opaque{tel.Logger().Handler()}))
			}
		},
		"NewLogHandler around the request's slog logger": func(b *bytes.Buffer) (hop.Option, func(*hop.Telemetry, context.Context) *slog.Logger) {
			return hop.WithLogger(slog.New(json(b))), func(_ *hop.Telemetry, ctx context.Context) *slog.Logger {
				return slog.New(hop.NewLogHandler(hop.Logger(ctx).Handler()))
			}
		},
		"another service's logger": func(b *bytes.Buffer) (hop.Option, func(*hop.Telemetry, context.Context) *slog.Logger) {
			first := mwtest.New(t, hop.WithZerolog(zerolog.New(b)))
			return hop.WithLogger(first.Logger()), ours
		},
		"fields given again": func(b *bytes.Buffer) (hop.Option, func(*hop.Telemetry, context.Context) *slog.Logger) {
			return viaZerolog(b), func(_ *hop.Telemetry, ctx context.Context) *slog.Logger {
				return hop.Logger(ctx).With("service", "test", "correlation_id", hop.CorrelationID(ctx))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			opt, logger := c(&b)
			rec := mwtest.New(t, opt)
			ctx, h := rec.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /x", Header: http.Header{"X-Correlation-Id": {"c-1"}}})
			l := logger(rec.Telemetry, ctx)
			l.InfoContext(ctx, "one")
			l.With("a", 1).WithGroup("g").InfoContext(ctx, "two", "b", 2)
			want := 3
			if strings.HasPrefix(name, "NewLogHandler around") { // others do not see a record's own fields
				l.InfoContext(ctx, "three", "correlation_id", "c-1")
				want++
			}
			h.End(adapter.Outcome{Message: "four"})
			lines := strings.Split(strings.TrimSpace(b.String()), "\n")
			if len(lines) != want {
				t.Fatalf("%d lines, want %d: %s", len(lines), want, &b)
			}
			for _, line := range lines {
				for _, key := range []string{"service", "correlation_id", "trace_id", "span_id"} {
					if n := strings.Count(line, ` `+key+`=`) + strings.Count(line, `,"`+key+`":`) + strings.Count(line, `{"`+key+`":`); n != 1 {
						t.Errorf("%s is %d times in %s", key, n, line)
					}
				}
			}
		})
	}
}
