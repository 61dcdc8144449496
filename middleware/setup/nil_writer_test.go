package setup_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/setup"
)

// Without a writer there are no lines, whatever else is exported.
func TestNilLogWriter(t *testing.T) {
	for _, env := range [][2]string{{"OTEL_LOGS_EXPORTER", "none"}, {"OTEL_LOGS_EXPORTER", "otlp"}, {"OTEL_TRACES_EXPORTER", "console"}} {
		t.Run(env[0]+"="+env[1], func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", silentCollector(t))
			t.Setenv(env[0], env[1])
			var first bytes.Buffer
			rt, err := setup.Start(t.Context(), "shop", setup.WithLogWriter(&first), setup.WithLogWriter(nil))
			if err != nil {
				t.Fatal(err)
			}
			rt.Logger.Info().Msg("hello")
			_, span := rt.TracerProvider.Tracer("test").Start(t.Context(), "work")
			span.End()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_ = rt.Shutdown(ctx) // the collector does not answer
			if first.Len() > 0 {
				t.Errorf("lines: %s", &first)
			}
		})
	}
}
