package watch

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	incidentsDesc = prometheus.NewDesc("tenhop_incidents_total",
		"Closed incidents of the history, by whether their diagnosis named a cause. Old ones are removed, which Prometheus takes for a reset.", []string{"named"}, nil)
	openDesc    = prometheus.NewDesc("tenhop_incidents_open", "Open incidents.", nil, nil)
	secondsDesc = prometheus.NewDesc("tenhop_incident_seconds",
		"Seconds from the beginning of a closed incident to its first alert or the look that found it (paged), its first sure diagnosis (named) and the end of its last alert (recovered).",
		[]string{"phase"}, nil)
	unreadDesc = prometheus.NewDesc("tenhop_incidents_unreadable", "1 while the history of incidents cannot be read.", nil, nil)
)

// phases are the values of the label phase.
var phases = []string{"paged", "named", "recovered"}

// Collector exports a history of incidents as Prometheus metrics. They cover all that is
// kept, so that a restart does not reset them. All series exist before the first incident.
type Collector struct {
	read func(context.Context) ([]*Incident, error)
}

// NewCollector returns a Collector of the incidents that read returns.
func NewCollector(read func(context.Context) ([]*Incident, error)) *Collector {
	return &Collector{read}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{incidentsDesc, openDesc, secondsDesc, unreadDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	all, err := c.read(ctx)
	if err != nil { // an invalid metric would fail the whole scrape
		ch <- prometheus.MustNewConstMetric(unreadDesc, prometheus.GaugeValue, 1)
		return
	}
	ch <- prometheus.MustNewConstMetric(unreadDesc, prometheus.GaugeValue, 0)
	open, count := 0, map[string]int{"true": 0, "false": 0}
	times := map[string][]float64{}
	for _, i := range all {
		if i.State == Open { // what an open one says may change, and a counter must not fall
			open++
			continue
		}
		named := "false"
		if i.Named != nil {
			named = "true"
		}
		count[named]++
		for phase, at := range map[string]*time.Time{"paged": &i.Paged, "named": i.Named, "recovered": i.Recovered} {
			if at != nil {
				times[phase] = append(times[phase], max(0, at.Sub(i.Began).Seconds()))
			}
		}
	}
	ch <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(open))
	for named, n := range count {
		ch <- prometheus.MustNewConstMetric(incidentsDesc, prometheus.CounterValue, float64(n), named)
	}
	for _, phase := range phases {
		ch <- histogramOf(phase, times[phase])
	}
}

// histogramOf returns the histogram of values for a phase.
func histogramOf(phase string, values []float64) prometheus.Metric {
	buckets := make(map[float64]uint64, len(durationBuckets))
	sum := 0.0
	for _, b := range durationBuckets {
		buckets[b] = 0
	}
	for _, v := range values {
		sum += v
		for _, b := range durationBuckets {
			if v <= b {
				buckets[b]++
			}
		}
	}
	return prometheus.MustNewConstHistogram(secondsDesc, uint64(len(values)), sum, buckets, phase)
}
