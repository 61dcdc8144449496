package setup_test

import (
	"io"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tenhop/tenhop/middleware/setup"
)

func TestTargetInfo(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=prod,team=a")
	reg := prometheus.NewRegistry()
	rt, err := setup.Start(t.Context(), "shop", setup.WithVersion("1.2.3"), setup.WithRegisterer(reg, reg), setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rt.Shutdown(t.Context()) }()
	const want = `# HELP target_info Resource of the process.
# TYPE target_info gauge
target_info{deployment_environment_name="prod",service_name="shop",service_version="1.2.3"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "target_info"); err != nil {
		t.Error(err)
	}
}

// TestTargetInfoOfOthers covers a registry that OpenTelemetry's exporter also writes to.
func TestTargetInfoOfOthers(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "target_info", Help: "Target metadata", ConstLabels: prometheus.Labels{"a": "b"}}))
	rt, err := setup.Start(t.Context(), "shop", setup.WithVersion("1.2.3"), setup.WithRegisterer(reg, reg), setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rt.Shutdown(t.Context()) }()
	if n, err := testutil.GatherAndCount(reg, "target_info"); n != 1 || err != nil {
		t.Errorf("%d series of target_info, %v", n, err)
	}
}
