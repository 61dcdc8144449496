package hop_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// With WithZerolog zerolog.Ctx finds the hop's logger, unless the service has set one for contexts
// without a logger or has put one into the context.
func TestZerologCtx(t *testing.T) {
	rec := mwtest.New(t)
	var own bytes.Buffer
	logger := zerolog.New(&own)
	ctx, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "test", Operation: "op"})
	defer h.End(adapter.Outcome{Quiet: true})

	zerolog.Ctx(ctx).Info().Msg("to the hop's")
	if lines := rec.Lines(); len(lines) != 1 || lines[0]["correlation_id"] != h.CorrelationID() {
		t.Errorf("lines %v", lines)
	}
	zerolog.Ctx(logger.WithContext(ctx)).Info().Msg("to the context's")
	zerolog.DefaultContextLogger = &logger
	t.Cleanup(func() { zerolog.DefaultContextLogger = nil })
	zerolog.Ctx(ctx).Info().Msg("to the default")
	if s := own.String(); strings.Count(s, "\n") != 2 || len(rec.Lines()) != 1 {
		t.Errorf("the service's own logger has %q, the hop's %v", s, rec.Lines())
	}
}

// A service whose lines go nowhere, since it has put no logger into the context, writes no
// lines with the middleware either.
func TestZerologCtxStaysSilent(t *testing.T) {
	tel, err := hop.New(hop.WithServiceName("silent"), hop.WithRegistry(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, h := tel.Core().Begin(t.Context(), adapter.Incoming{Protocol: "test", Operation: "op"})
	defer h.End(adapter.Outcome{Quiet: true})
	if l := zerolog.Ctx(ctx); l.GetLevel() != zerolog.Disabled {
		t.Errorf("a logger of level %v", l.GetLevel())
	}
}
