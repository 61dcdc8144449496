package setup

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// targetInfo is the metric by which OpenTelemetry's Prometheus exporters describe the
// resource.
const targetInfo = "target_info"

// described holds the resource attributes that are labels of target_info: what a version is
// and where it runs. Others, such as a process ID, would make a new series per restart.
var described = []attribute.Key{"service.version", "service.namespace", "deployment.environment.name", "vcs.ref.head.revision"}

// startInfo registers target_info, unless the resource has none of the attributes or the
// registry has the metric already, from an exporter of OpenTelemetry's.
func startInfo(owned prometheus.Registerer, registry prometheus.Gatherer, res *resource.Resource) error {
	labels := prometheus.Labels{}
	for _, key := range described {
		if v, ok := res.Set().Value(key); ok && v.String() != "" {
			labels[strings.ReplaceAll(string(key), ".", "_")] = v.String()
		}
	}
	families, _ := registry.Gather() // another collector's error is not Start's
	if len(labels) == 0 || slices.ContainsFunc(families, isTargetInfo) {
		return nil
	}
	// The text is that of OpenTelemetry's exporters: one that is registered later is gathered
	// beside this metric, and two texts for a name would fail every scrape.
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: targetInfo, Help: "Target metadata", ConstLabels: labels})
	info.Set(1)
	return register(owned, info)
}

// isTargetInfo reports whether a family is target_info. Receivers of OTLP make their own from the
// resource that is pushed.
func isTargetInfo(f *dto.MetricFamily) bool { return f.GetName() == targetInfo }
