package drill

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// phaseBuckets holds the bucket bounds of tenhop_drill_phase_seconds, from about a scrape
// interval to humanTimeout.
var phaseBuckets = []float64{1, 2.5, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300, 900}

var (
	roundsDesc = prometheus.NewDesc("tenhop_drill_rounds_total", "Finished drills, by whether the answer named the right hop.",
		[]string{"right_hop"}, nil)
	phaseDesc = prometheus.NewDesc("tenhop_drill_phase_seconds",
		"Seconds from the injection until the latency rose (moved), an alert fired (alerted) and a hop was named (answered), "+
			"and from lifting the fault until the latency recovered (recovered).",
		[]string{"phase"}, nil)
	unreadDesc = prometheus.NewDesc("tenhop_drill_history_unreadable", "1 while the history of drills cannot be read.", nil, nil)
)

// Collector exports a History as Prometheus metrics. They cover the whole history, so a
// restart does not reset them. All series exist before the first drill.
type Collector struct{ history *History }

// NewCollector returns a collector of h.
func NewCollector(h *History) *Collector { return &Collector{h} }

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- roundsDesc
	ch <- phaseDesc
	ch <- unreadDesc
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	records, err := c.history.Records()
	if err != nil { // an invalid metric would fail the whole scrape
		ch <- prometheus.MustNewConstMetric(unreadDesc, prometheus.GaugeValue, 1)
		return
	}
	ch <- prometheus.MustNewConstMetric(unreadDesc, prometheus.GaugeValue, 0)
	rounds := map[bool]int{}
	phases := map[string][]float64{}
	for _, r := range records {
		if r.Round.Void != "" { // does not count
			continue
		}
		rounds[r.Round.RightHop]++
		for phase, s := range r.Round.Seconds.phases() {
			if s != nil {
				phases[phase] = append(phases[phase], *s)
			}
		}
	}
	for _, right := range []bool{false, true} {
		ch <- prometheus.MustNewConstMetric(roundsDesc, prometheus.CounterValue, float64(rounds[right]), strconv.FormatBool(right))
	}
	for phase := range (Seconds{}).phases() {
		ch <- histogram(phase, phases[phase])
	}
}

// phases returns the times by value of the label phase.
func (s Seconds) phases() map[string]*float64 {
	return map[string]*float64{"moved": s.Moved, "alerted": s.Alerted, "answered": s.Answered, "recovered": s.Recovered}
}

func histogram(phase string, values []float64) prometheus.Metric {
	buckets := make(map[float64]uint64, len(phaseBuckets))
	var sum float64
	for _, b := range phaseBuckets {
		buckets[b] = 0
	}
	for _, v := range values {
		sum += v
		for _, b := range phaseBuckets {
			if v <= b {
				buckets[b]++
			}
		}
	}
	return prometheus.MustNewConstHistogram(phaseDesc, uint64(len(values)), sum, buckets, phase)
}
