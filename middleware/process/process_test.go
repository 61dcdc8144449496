package process_test

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tenhop/tenhop/middleware/process"
)

// gathered returns the values of a registry by family and labels; those of a histogram are
// its sum and its count.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += "," + l.GetValue()
			}
			if h := m.GetHistogram(); h != nil {
				out[name+"_sum"], out[name+"_count"] = h.GetSampleSum(), float64(h.GetSampleCount())
				continue
			}
			out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return out
}

// maxSeries is the number of series that a Collector may add to a process.
const maxSeries = 28

// TestBesideOthers registers the Collector with client_golang's collectors: no name may be
// exported twice, and the series are few.
func TestBesideOthers(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	c := process.New()
	defer c.Close()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), c)
	if _, err := reg.Gather(); err != nil {
		t.Error(err)
	}
	series := testutil.CollectAndCount(c)
	for name := range gathered(t, reg) {
		if strings.HasPrefix(name, "go_schedule") && strings.HasSuffix(name, "_count") {
			series += 7 // five buckets, +Inf, and the sum beside the count
		}
	}
	t.Logf("%d series", series)
	if series > maxSeries {
		t.Errorf("%d series, at most %d", series, maxSeries)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		if p.Metric != "go_cpu_classes_gc_total_cpu_seconds_total" {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestOmit leaves a family to another collector.
func TestOmit(t *testing.T) {
	c := process.New("go_schedule_duration_seconds", "hop_process_stalls_total")
	defer c.Close()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	for name := range gathered(t, reg) {
		if strings.HasPrefix(name, "go_schedule_duration") || name == "hop_process_stalls_total" {
			t.Errorf("%s is exported", name)
		}
	}
}

// TestRuntime does what the signals of the runtime measure, and compares them before and
// after.
func TestRuntime(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := process.New()
	defer c.Close()
	reg.MustRegister(c)
	before := gathered(t, reg)
	// The runtime measures the waits of some goroutines only, in some states.
	for wait := "go_sync_mutex_wait_total_seconds_total"; gathered(t, reg)[wait] <= before[wait] && t.Context().Err() == nil; {
		var mu sync.Mutex
		mu.Lock()
		var waiting sync.WaitGroup
		for range 20 {
			waiting.Go(func() {
				mu.Lock()
				defer mu.Unlock()
			})
		}
		time.Sleep(20 * time.Millisecond)
		mu.Unlock()
		waiting.Wait()
	}
	for range 20 {
		runtime.GC()
	}
	now := gathered(t, reg)
	for _, name := range []string{"go_sync_mutex_wait_total_seconds_total", "go_cpu_classes_gc_total_cpu_seconds_total", "go_schedule_duration_seconds_count"} {
		if now[name] <= before[name] {
			t.Errorf("%s: %v before, %v now", name, before[name], now[name])
		}
	}
	if now["go_gc_heap_live_bytes"] <= 0 {
		t.Error("no live heap")
	}
}

// TestClose ends the goroutine and leaves the Collector usable.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	c := process.New()
	c.Close()
	c.Close()
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	if n := testutil.CollectAndCount(c); n == 0 {
		t.Error("a closed Collector collects nothing")
	}
}

// TestManyGoroutines holds the cost of a scrape to the same amount with many goroutines: it
// neither visits nor stops them.
func TestManyGoroutines(t *testing.T) {
	c := process.New()
	defer c.Close()
	scrape := func() time.Duration {
		var took []time.Duration
		for range 21 {
			began := time.Now()
			testutil.CollectAndCount(c)
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	few := scrape()
	stop := make(chan struct{})
	var idle sync.WaitGroup
	for range 20_000 {
		idle.Go(func() { <-stop })
	}
	many := scrape()
	close(stop)
	idle.Wait()
	t.Logf("a scrape takes %s, %s with 20,000 goroutines", few, many)
	if many > 10*few+10*time.Millisecond {
		t.Errorf("a scrape takes %s, %s with 20,000 goroutines", few, many)
	}
}

func BenchmarkScrape(b *testing.B) {
	c := process.New()
	defer c.Close()
	for b.Loop() {
		testutil.CollectAndCount(c)
	}
}
