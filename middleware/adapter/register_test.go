package adapter

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Values of labels are passed by their order. A family must not be shared by adapters
// that disagree on it, in one Core or in two with one registry.
func TestFamiliesAreSharedByTheSameLabelsOnly(t *testing.T) {
	reg := prometheus.NewRegistry()
	core := func() *Core {
		c, err := NewCore(Config{Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, second := core(), core()
	for _, c := range []*Core{first, second} {
		h, err := c.RequestHistogram("job_seconds", "Jobs.", "queue", "name")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := c.RequestHistogram("job_seconds", "Jobs.", "queue", "name"); err != nil || again != h {
			t.Errorf("the same family is %p and %p, %v", h, again, err)
		}
		if _, err := c.RegisterGauge("jobs", "Jobs.", "queue", "name"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*Core{first, second, core()} {
		if _, err := c.RequestHistogram("job_seconds", "Jobs.", "name", "queue"); err == nil {
			t.Error("labels in another order are taken")
		}
		if _, err := c.RequestHistogram("job_seconds", "Jobs.", "queue", "team"); err == nil {
			t.Error("other labels are taken")
		}
		if _, err := c.RegisterGauge("jobs", "Jobs.", "name", "queue"); err == nil {
			t.Error("labels of a gauge in another order are taken")
		}
	}
	if _, err := first.RequestHistogram("hop_duration_seconds", "Jobs.", "a", "b", "c", "d"); err == nil {
		t.Error("a family of hops is taken for another")
	}
}

// A program may register a family through Core.Registerer, which adds the label
// service_name. Adapters share it if it has the same help and the same labels in the same
// order.
func TestFamiliesOfTheProgramAreShared(t *testing.T) {
	reg := prometheus.NewRegistry()
	c, err := NewCore(Config{Registerer: reg, ServiceName: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "jobs_total", Help: "Jobs."})
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "jobs", Help: "Jobs."}, []string{"queue", "name"})
	c.Registerer().MustRegister(counter, gauge)
	gotCounter, err := c.RegisterCounter("jobs_total", "Jobs.")
	if err != nil || gotCounter != counter {
		t.Errorf("the counter is %p, want %p: %v", gotCounter, counter, err)
	}
	gotGauge, err := c.RegisterGauge("jobs", "Jobs.", "queue", "name")
	if err != nil || gotGauge != gauge {
		t.Errorf("the gauge is %p, want %p: %v", gotGauge, gauge, err)
	}
	if _, err := c.RegisterGauge("jobs", "Jobs.", "name", "queue"); err == nil {
		t.Error("labels of a gauge in another order are taken")
	}
	if _, err := c.RegisterCounter("jobs_total", "Others."); err == nil {
		t.Error("another help is taken")
	}
	reg.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "bare_total", Help: "Jobs."}))
	if _, err := c.RegisterCounter("bare_total", "Jobs."); err == nil {
		t.Error("a counter without service_name is taken")
	}
}
