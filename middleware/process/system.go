package process

import "github.com/prometheus/client_golang/prometheus"

var (
	runDelay = newFamily("hop_process_run_delay_seconds_total", prometheus.CounterValue,
		"Time that threads of the process were runnable and waited for a processor.")
	majorFaults = newFamily("process_paging_faults_total", prometheus.CounterValue,
		"Page faults of the process that read from disk.", "system_paging_fault_type")
	periods = newFamily("hop_cgroup_cpu_periods_total", prometheus.CounterValue,
		"Periods of the CPU quota in which the control group was active.")
	throttledPeriods = newFamily("hop_cgroup_cpu_throttled_periods_total", prometheus.CounterValue,
		"Periods in which the control group had used up its CPU quota.")
	throttledTime = newFamily("hop_cgroup_cpu_throttled_seconds_total", prometheus.CounterValue,
		"Time that the control group was throttled, summed over processors.")
	memoryUsage = newFamily("hop_cgroup_memory_usage_bytes", prometheus.GaugeValue,
		"Memory that the control group uses, with page cache.")
	memoryLimit = newFamily("hop_cgroup_memory_limit_bytes", prometheus.GaugeValue,
		"Memory limit of the control group.")
	memoryEvents = newFamily("hop_cgroup_memory_events_total", prometheus.CounterValue,
		"Times that the control group was at its memory limit (max), and processes of it that were killed for memory (oom_kill).", "event")
	pressure = newFamily("hop_cgroup_pressure_seconds_total", prometheus.CounterValue,
		"Time that some task of the control group was stalled on a resource (PSI).", "resource")

	systemFamilies = []*family{runDelay, majorFaults, periods, throttledPeriods, throttledTime, memoryUsage, memoryLimit, memoryEvents, pressure}
)
