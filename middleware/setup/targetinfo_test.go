package setup_test

import (
	"io"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

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
	got := targetInfo(t, reg)
	want := []string{"deployment_environment_name=prod service_name=shop service_version=1.2.3 "}
	if !slices.Equal(got, want) {
		t.Errorf("target_info is %q, want %q", got, want)
	}
}

// targetInfo returns the labels of each series of target_info.
func targetInfo(t *testing.T, reg prometheus.Gatherer) (series []string) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "target_info" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				labels += l.GetName() + "=" + l.GetValue() + " "
			}
			series = append(series, labels)
		}
	}
	return series
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
	if got := targetInfo(t, reg); len(got) != 1 {
		t.Errorf("target_info is %q, want one series", got)
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
