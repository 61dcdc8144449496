// Package process measures what else makes a service slow: its Go runtime, its process and
// its control group. The metrics tell causes apart that look alike from outside, such as a
// process without processor time and one that waits for a mutex.
//
// A Collector adds what client_golang's Go and process collectors do not export. It reads
// runtime/metrics, which does not stop the program, and small files in /proc and
// /sys/fs/cgroup. Package setup registers one; a service without it does so itself:
//
//	c := process.New()
//	defer c.Close()
//	prometheus.MustRegister(c)
//
// Families of runtime/metrics have the names that client_golang gives them. The latency of
// the scheduler has the name of OpenTelemetry's semantic conventions. Values of the control
// group do not take cAdvisor's names: a sum over both would count a container twice.
package process

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Always is a family that every Collector exports. A registry that has it has a Collector.
const Always = "hop_process_stalls_total"

// Collector is a prometheus.Collector of one process. It is safe for concurrent use.
type Collector struct {
	omit   []string
	stalls *heartbeat

	mu      sync.Mutex // of the buffers below
	runtime *runtimeMetrics
	system  *system
}

var _ prometheus.Collector = (*Collector)(nil)

// New returns a Collector without the named families, which another collector of the
// registry exports. It starts a goroutine that Close stops.
func New(omit ...string) *Collector {
	return &Collector{omit: omit, stalls: startHeartbeat(), runtime: newRuntimeMetrics(), system: newSystem()}
}

// Close stops the goroutine. The Collector can be collected further; its stalls no longer
// grow.
func (c *Collector) Close() { c.stalls.close() }

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range families() {
		if !slices.Contains(c.omit, f.name) {
			to <- f.desc
		}
	}
}

// Collect implements prometheus.Collector. What the system does not tell is absent.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := sink{to: to, omit: c.omit}
	c.stalls.collect(s)
	c.runtime.collect(s)
	c.system.collect(s)
}

// Family describes a metric family that a Collector exports, for documentation.
type Family struct {
	Name, Kind, Help string // Kind is counter, gauge or histogram
	Labels           []string
}

// Families returns the families of a Collector. Which of them it reports depends on the
// system.
func Families() []Family {
	var out []Family
	for _, f := range families() {
		kind := map[prometheus.ValueType]string{prometheus.CounterValue: "counter", prometheus.GaugeValue: "gauge", prometheus.UntypedValue: "histogram"}[f.kind]
		out = append(out, Family{f.name, kind, f.help, f.labels})
	}
	return out
}

// family is a metric family. The kind of a histogram is UntypedValue.
type family struct {
	name   string
	kind   prometheus.ValueType
	help   string
	labels []string
	desc   *prometheus.Desc
}

func newFamily(name string, kind prometheus.ValueType, help string, labels ...string) *family {
	return &family{name, kind, help, labels, prometheus.NewDesc(name, help, labels, nil)}
}

// families returns all families of a Collector.
func families() []*family {
	return slices.Concat(stallFamilies, runtimeFamilies, systemFamilies)
}

// sink receives the metrics of one scrape.
type sink struct {
	to   chan<- prometheus.Metric
	omit []string
}

func (s sink) wants(f *family) bool { return !slices.Contains(s.omit, f.name) }

func (s sink) value(f *family, v float64, labels ...string) {
	if s.wants(f) {
		s.to <- prometheus.MustNewConstMetric(f.desc, f.kind, v, labels...)
	}
}
