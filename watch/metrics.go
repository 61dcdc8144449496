package watch

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	alerts, diagnoses, flapped, lost prometheus.Counter
	posts, looks                     *prometheus.CounterVec
	detect, name, recover            prometheus.Histogram
}

var durationBuckets = []float64{1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600}

// newMetrics registers the metrics at reg, which may be nil.
func newMetrics(w *Watcher, reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: durationBuckets})
	}
	m := &metrics{
		alerts:    counter("tenhop_watch_alert_changes_total", "Alerts that began to fire or were resolved."),
		diagnoses: counter("tenhop_watch_diagnoses_total", "Diagnoses run."),
		flapped:   counter("tenhop_watch_flapped_total", "Incidents not posted because their alerts did not settle."),
		lost:      counter("tenhop_watch_lost_total", "Messages removed before they were delivered, because the spool was full."),
		posts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenhop_watch_posts_total",
			Help: "Messages sent, by receiver and result (ok, failed)."}, []string{"receiver", "result"}),
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tenhop_watch_looks_total",
			Help: "Diagnoses of the metrics without an alert, by verdict."}, []string{"verdict"}),
		detect:  histogram("tenhop_watch_time_to_detect_seconds", "From the beginning of a closed incident to its first alert, or to the look that found it."),
		name:    histogram("tenhop_watch_time_to_name_seconds", "From the beginning of a closed incident to its first sure diagnosis."),
		recover: histogram("tenhop_watch_time_to_recover_seconds", "From the beginning of a closed incident to its last alert's end."),
	}
	if reg == nil {
		return m
	}
	gauge := func(name, help string, counts func(*Incident) bool) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			n := 0.
			for _, i := range w.incidents {
				if counts(i) {
					n++
				}
			}
			return n
		})
	}
	reg.MustRegister(m.alerts, m.diagnoses, m.flapped, m.lost, m.posts, m.looks, m.detect, m.name, m.recover,
		NewCollector(func(context.Context) ([]*Incident, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			var out []*Incident
			for _, i := range w.told() {
				out = append(out, &Incident{State: i.State, Began: i.Began, Paged: i.Paged, Alerted: i.Alerted, Named: i.Named, Recovered: i.Recovered})
			}
			return out, nil
		}),
		gauge("tenhop_watch_incidents_open", "Open incidents.", func(i *Incident) bool { return i.State == Open }),
		gauge("tenhop_watch_spooled", "Incidents with a state that a receiver lacks.", w.pendingAnywhere))
	return m
}

func (m *metrics) sent(receiver string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.posts.WithLabelValues(receiver, outcome).Inc()
}

// closed observes the times of an incident.
func (m *metrics) closed(i *Incident) {
	m.detect.Observe(i.Paged.Sub(i.Began).Seconds())
	if i.Named != nil {
		m.name.Observe(i.Named.Sub(i.Began).Seconds())
	}
	if i.Recovered != nil {
		m.recover.Observe(i.Recovered.Sub(i.Began).Seconds())
	}
}
