package hop_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

// Invalid options are reported by New, together.
func TestInvalidOptions(t *testing.T) {
	_, err := hop.New(hop.WithTracerProvider(nil), hop.WithPropagator(nil), hop.WithAccept(propagation.TextMapPropagator(nil)),
		hop.WithRegistry(nil), hop.WithLogger(nil), hop.WithSeriesLimit(0), hop.WithLogSampling(hop.LogSampling{Rate: 2}))
	if err == nil || strings.Count(err.Error(), "\n") != 6 {
		t.Errorf("error %v", err)
	}
	if _, err := hop.New(nil); err == nil {
		t.Error("a nil option was accepted")
	}
}

// A default registry that has other metrics of the same names does not stop a
// service, but the service says so. The process is another one, since the default
// Telemetry is made once.
func TestDefaultReportsARefusingRegistry(t *testing.T) {
	if os.Getenv("TEST_REFUSING_REGISTRY") != "" {
		prometheus.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "hop_self_duration_seconds", Help: "Another program's."}))
		_, h := hop.Default().Core().Begin(t.Context(), adapter.Incoming{Operation: "op"})
		h.End(adapter.Outcome{Quiet: true})
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDefaultReportsARefusingRegistry$")
	cmd.Env = append(os.Environ(), "TEST_REFUSING_REGISTRY=1")
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], `"level":"warn"`) || !strings.Contains(lines[0], "hop_self_duration_seconds") {
		t.Errorf("logged %q", lines)
	}
}
