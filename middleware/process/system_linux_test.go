package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// values collects a system into values by family and label.
func values(t *testing.T, s *system) map[string]float64 {
	t.Helper()
	to := make(chan prometheus.Metric, 100)
	s.collect(sink{to: to})
	close(to)
	out := map[string]float64{}
	for m := range to {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		for _, f := range systemFamilies {
			if f.desc != m.Desc() {
				continue
			}
			name := f.name
			for _, l := range d.GetLabel() {
				name += "," + l.GetValue()
			}
			out[name] = d.GetCounter().GetValue() + d.GetGauge().GetValue()
		}
	}
	return out
}

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSystem(t *testing.T) {
	for _, c := range []struct {
		why   string
		files map[string]string
		want  map[string]float64
	}{
		{"version 2 within a container", map[string]string{
			"proc/cgroup":               "0::/\n",
			"proc/stat":                 "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13",
			"proc/task/7/schedstat":     "100 2000000000 5\n",
			"proc/task/8/schedstat":     "100 500000000 5\n",
			"cgroup/cgroup.procs":       "",
			"cgroup/cpu.stat":           "usage_usec 9\nnr_periods 50\nnr_throttled 20\nthrottled_usec 1500000\n",
			"cgroup/memory.max":         "1000\n",
			"cgroup/memory.current":     "900\n",
			"cgroup/memory.events":      "low 0\nmax 7\noom 2\noom_kill 1\n",
			"cgroup/cpu.pressure":       "some avg10=1.00 avg60=0.00 avg300=0.00 total=3000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
			"cgroup/memory.pressure":    "some avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n",
			"cgroup/other/cgroup.procs": "",
		}, map[string]float64{
			"hop_process_run_delay_seconds_total": 2.5, "process_paging_faults_total,major": 9,
			"hop_cgroup_cpu_periods_total": 50, "hop_cgroup_cpu_throttled_periods_total": 20, "hop_cgroup_cpu_throttled_seconds_total": 1.5,
			"hop_cgroup_memory_limit_bytes": 1000, "hop_cgroup_memory_usage_bytes": 900,
			"hop_cgroup_memory_events_total,max": 7, "hop_cgroup_memory_events_total,oom_kill": 1,
			"hop_cgroup_pressure_seconds_total,cpu": 3, "hop_cgroup_pressure_seconds_total,memory": .5,
		}},
		{"version 1, the path is the host's", map[string]string{
			"proc/cgroup":                         "4:memory:/docker/abc\n3:cpuacct,cpu:/docker/abc\n",
			"cgroup/cpu,cpuacct/cpu.stat":         "nr_periods 4\nnr_throttled 2\nthrottled_time 250000000\n",
			"cgroup/memory/memory.usage_in_bytes": "50\n",
			"cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"cgroup/memory/memory.failcnt":        "3\n",
			"cgroup/memory/memory.oom_control":    "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
		}, map[string]float64{
			"hop_cgroup_cpu_periods_total": 4, "hop_cgroup_cpu_throttled_periods_total": 2, "hop_cgroup_cpu_throttled_seconds_total": .25,
			"hop_cgroup_memory_events_total,max": 3, "hop_cgroup_memory_events_total,oom_kill": 2,
		}},
		{"no quota and no limit", map[string]string{
			"proc/cgroup":               "0::/a.service\n",
			"cgroup/a.service/cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n", "cgroup/a.service/cgroup.procs": "",
			"cgroup/a.service/memory.max": "max\n", "cgroup/a.service/memory.current": "900\n",
		}, map[string]float64{}},
		{"nothing can be read", nil, map[string]float64{}},
	} {
		dir := write(t, c.files)
		got := values(t, newSystemIn(filepath.Join(dir, "proc"), filepath.Join(dir, "cgroup")))
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
		for name, v := range c.want {
			if got[name] != v {
				t.Errorf("%s: %s = %v, want %v", c.why, name, got[name], v)
			}
		}
	}
}

// TestThreadsEnd keeps the run delay of threads that have ended, also if their number was
// given away.
func TestThreadsEnd(t *testing.T) {
	dir := write(t, map[string]string{"task/1/schedstat": "1 1000000000 1", "task/2/schedstat": "1 3000000000 1"})
	s := newSystemIn(dir, dir)
	for _, step := range []struct {
		change func() error
		want   float64
	}{
		{func() error { return nil }, 4},
		{func() error { return os.RemoveAll(filepath.Join(dir, "task/2")) }, 4},
		{func() error {
			return os.WriteFile(filepath.Join(dir, "task/1/schedstat"), []byte("1 500000000 1"), 0o600)
		}, 4.5},
	} {
		if err := step.change(); err != nil {
			t.Fatal(err)
		}
		if got := values(t, s)["hop_process_run_delay_seconds_total"]; got != step.want {
			t.Errorf("%v s, want %v", got, step.want)
		}
	}
}
