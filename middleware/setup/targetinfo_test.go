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
	const want = `# HELP target_info Target metadata
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

// exporter is a collector as OpenTelemetry's: without descriptions, with a target_info.
type exporter struct{}

func (exporter) Describe(chan<- *prometheus.Desc) {}

func (exporter) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("target_info", "Target metadata", []string{"service_name"}, nil), prometheus.GaugeValue, 1, "shop")
}

// TestTargetInfoBeforeOthers keeps scrapes valid when OpenTelemetry's exporter is registered
// after Start.
func TestTargetInfoBeforeOthers(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	reg := prometheus.NewRegistry()
	rt, err := setup.Start(t.Context(), "shop", setup.WithVersion("1.2.3"), setup.WithRegisterer(reg, reg), setup.WithLogWriter(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rt.Shutdown(t.Context()) }()
	reg.MustRegister(exporter{})
	if _, err := reg.Gather(); err != nil {
		t.Error(err)
	}
}
