package setup_test

import (
	"io"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tenhop/tenhop/middleware/setup"
)

// TestProcessSignals exports the signals of the process by default, once, whatever the
// registry has already.
func TestProcessSignals(t *testing.T) {
	const own = "hop_process_stalls_total"
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	filled := prometheus.NewRegistry()
	filled.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsAll)))
	for _, c := range []struct {
		why  string
		opts []setup.Option
		want int
	}{
		{"by default", nil, 1},
		{"left out", []setup.Option{setup.WithoutProcessSignals()}, 0},
		{"beside all families of runtime/metrics", []setup.Option{setup.WithRegistry(filled)}, 1},
		{"a second time on the same registry", []setup.Option{setup.WithRegistry(filled)}, 1},
	} {
		rt, err := setup.Start(t.Context(), "payment", append(c.opts, setup.WithLogWriter(io.Discard))...)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		families, err := rt.Registry.Gather()
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
		n := 0
		for _, f := range families {
			if f.GetName() == own {
				n += len(f.GetMetric())
			}
		}
		if n != c.want {
			t.Errorf("%s: %d series of %s, want %d", c.why, n, own, c.want)
		}
		if err := rt.Shutdown(t.Context()); err != nil {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
