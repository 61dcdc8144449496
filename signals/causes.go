package signals

import "slices"

// Measure says what a cause signal measures.
type Measure string

// Measures of an instance of a service. Times are seconds; those of waits and stalls count
// per thread or goroutine.
const (
	CPUTime       Measure = "cpu"            // processor time used
	CPUWait       Measure = "cpu_wait"       // time runnable without a processor
	ScheduleWait  Measure = "schedule_wait"  // time that goroutines or callbacks were ready and did not run
	Throttled     Measure = "throttled"      // time throttled by a CPU quota
	Throttles     Measure = "throttles"      // periods with throttling
	Stalled       Measure = "stalled"        // time that the process did not run at all
	Stalls        Measure = "stalls"         // their number
	GCTime        Measure = "gc_cpu"         // processor time of the garbage collector
	GCIdleTime    Measure = "gc_idle"        // the part of it on idle processors
	GCAssist      Measure = "gc_assist"      // time that the program helped the collector
	GCPause       Measure = "gc_pause"       // time that the collector stopped the program
	GCPauses      Measure = "gc_pauses"      // their number
	LockWait      Measure = "lock_wait"      // time blocked on locks in the process
	LockBlocked   Measure = "lock_blocked"   // threads blocked on locks now
	PoolWait      Measure = "pool_wait"      // time waiting for a pooled connection
	PoolWaiting   Measure = "pool_waiting"   // callers waiting for a pooled connection now
	StoreTime     Measure = "store_time"     // time of database calls, by operation
	StoreCalls    Measure = "store_calls"    // their number
	MemoryStall   Measure = "memory_stall"   // time stalled for memory
	DiskStall     Measure = "disk_stall"     // time stalled for the disk
	DiskFaults    Measure = "disk_faults"    // page faults that read from disk
	MemoryUsed    Measure = "memory_used"    // bytes
	MemoryLimit   Measure = "memory_limit"   // bytes
	MemoryKills   Measure = "memory_kills"   // processes killed for memory
	MemoryFull    Measure = "memory_full"    // times at the memory limit
	OldestRequest Measure = "oldest_request" // age of the oldest request that is handled
	Shed          Measure = "shed"           // requests refused because too many were in flight
	BulkheadWait  Measure = "bulkhead_wait"  // time that calls waited because too many were in flight
	BulkheadFull  Measure = "bulkhead_full"  // calls refused because too many were in flight
	BreakerOpen   Measure = "breaker_open"   // calls refused because a circuit breaker was open
	CallRetries   Measure = "call_retries"   // calls made again
	Started       Measure = "started"        // Unix time of the start of the process
	Restarts      Measure = "restarts"       // number of restarts
	Up            Measure = "up"             // 1 if the target answers scrapes
	ScrapeTime    Measure = "scrape_time"    // time that a scrape took
)

// Gauge reports whether the values are read as they are. Those of other measures are
// counters.
func (m Measure) Gauge() bool {
	return slices.Contains([]Measure{LockBlocked, PoolWaiting, MemoryUsed, MemoryLimit, Started, Up, ScrapeTime, OldestRequest}, m)
}

// ZeroIfAbsent reports whether a target that is scraped and has no series of the measure has
// none to report: the middleware has a series of an operation once it was in flight at a scrape.
func (m Measure) ZeroIfAbsent() bool { return m == OldestRequest }

// CauseSignal is a family of series that tells why an instance of a service is slow.
type CauseSignal struct {
	By      string
	Series  string // full name of the series
	Measure Measure
	Unit    float64 // of a value, in the measure's unit

	// Only lists the label values of the series that measure it, if there are others.
	Only map[string][]string

	// Service and Instance list label names; the first that a series has holds the value.
	// Families without Service are exported by the process itself: they use ServiceLabels
	// and the labels of the target.
	Service, Instance []string

	// Host marks a signal of a machine. It belongs to the instances on it.
	Host bool
}

// CauseSignals returns every cause signal that the diagnosis reads. If an instance has
// several of one measure, the first one counts.
func CauseSignals() []CauseSignal {
	return slices.Concat(ownSignals(), resilienceSignals(), goSignals(), otherRuntimes(), containerSignals(), targetSignals())
}

// one is a row of a table of cause signals whose unit is that of the measure.
func one(by, series string, m Measure) CauseSignal {
	return CauseSignal{By: by, Series: series, Measure: m, Unit: 1}
}

func labelled(s CauseSignal, label string, values ...string) CauseSignal {
	s.Only = map[string][]string{label: values}
	return s
}

func scaled(s CauseSignal, unit float64) CauseSignal {
	s.Unit = unit
	return s
}

func ownSignals() []CauseSignal {
	const by = "tenhop's process and sqlmw"
	return []CauseSignal{
		one(by, ProcessStall, Stalled),
		one(by, "hop_process_stalls_total", Stalls),
		one(by, "hop_process_run_delay_seconds_total", CPUWait),
		one(by, "hop_oldest_request_age_seconds", OldestRequest),
		one(by, "hop_cgroup_cpu_throttled_seconds_total", Throttled),
		one(by, "hop_cgroup_cpu_throttled_periods_total", Throttles),
		one(by, "hop_cgroup_memory_usage_bytes", MemoryUsed),
		one(by, "hop_cgroup_memory_limit_bytes", MemoryLimit),
		labelled(one(by, "hop_cgroup_memory_events_total", MemoryKills), "event", "oom_kill"),
		labelled(one(by, "hop_cgroup_memory_events_total", MemoryFull), "event", "max"),
		labelled(one(by, "hop_cgroup_pressure_seconds_total", MemoryStall), "resource", "memory"),
		labelled(one(by, "hop_cgroup_pressure_seconds_total", DiskStall), "resource", "io"),
		labelled(one(by, "process_paging_faults_total", DiskFaults), "system_paging_fault_type", "major"),
		one(by, "db_client_connection_wait_time_seconds_sum", PoolWait),
		one(by, DatabaseClient+"_sum", StoreTime),
		one(by, DatabaseClient+"_count", StoreCalls),
	}
}

func resilienceSignals() []CauseSignal {
	const by = "the storefront's calls"
	return []CauseSignal{
		one(by, "hop_requests_shed_total", Shed),
		one(by, "hop_bulkhead_wait_seconds_total", BulkheadWait),
		labelled(one(by, "hop_calls_refused_total", BulkheadFull), "reason", "bulkhead"),
		labelled(one(by, "hop_calls_refused_total", BreakerOpen), "reason", "breaker"),
		one(by, "hop_call_retries_total", CallRetries),
	}
}

func goSignals() []CauseSignal {
	const golang, otel, older = "client_golang", "OpenTelemetry's Go runtime instrumentation", "older OpenTelemetry Go runtime instrumentation"
	return []CauseSignal{
		one(golang, "process_cpu_seconds_total", CPUTime),
		one(golang, "process_start_time_seconds", Started),
		one(golang, "go_cpu_classes_gc_total_cpu_seconds_total", GCTime),
		one(golang, "go_cpu_classes_gc_mark_idle_cpu_seconds_total", GCIdleTime),
		one(golang, "go_cpu_classes_gc_mark_assist_cpu_seconds_total", GCAssist),
		one(golang, "go_sync_mutex_wait_total_seconds_total", LockWait),
		one(golang, "go_gc_duration_seconds_sum", GCPause),
		one(golang, "go_gc_duration_seconds_count", GCPauses),
		one(golang, "go_sched_latencies_seconds_sum", ScheduleWait),
		one(otel, "go_schedule_duration_seconds_sum", ScheduleWait),
		scaled(one(older, "process_runtime_go_gc_pause_ns_sum", GCPause), 1e-9),
		one(older, "process_runtime_go_gc_pause_ns_count", GCPauses),
	}
}

func otherRuntimes() []CauseSignal {
	const micrometer, jmx, otel, node, hikari = "Micrometer", "Prometheus JVM client", "OpenTelemetry semantic conventions", "prom-client for Node.js", "HikariCP"
	return []CauseSignal{
		one(otel, "process_cpu_time_seconds_total", CPUTime),
		scaled(one(micrometer, "process_cpu_time_ns_total", CPUTime), 1e-9),
		one(micrometer, "jvm_gc_pause_seconds_sum", GCPause),
		one(micrometer, "jvm_gc_pause_seconds_count", GCPauses),
		one(otel, "jvm_gc_duration_seconds_sum", GCPause),
		one(otel, "jvm_gc_duration_seconds_count", GCPauses),
		one(jmx, "jvm_gc_collection_seconds_sum", GCPause),
		one(jmx, "jvm_gc_collection_seconds_count", GCPauses),
		labelled(one(micrometer, "jvm_threads_states_threads", LockBlocked), "state", "blocked"),
		labelled(one(jmx, "jvm_threads_state", LockBlocked), "state", "BLOCKED"),
		labelled(one(otel, "jvm_thread_count", LockBlocked), "jvm_thread_state", "blocked"),
		one(hikari, "hikaricp_connections_acquire_seconds_sum", PoolWait),
		one(hikari, "hikaricp_connections_pending", PoolWaiting),
		one(otel, "db_client_connection_pending_requests", PoolWaiting),
		one(node, "nodejs_gc_duration_seconds_sum", GCPause),
		one(node, "nodejs_gc_duration_seconds_count", GCPauses),
		one(otel, "v8js_gc_duration_seconds_sum", GCPause),
		one(otel, "v8js_gc_duration_seconds_count", GCPauses),
		one(otel, "process_runtime_cpython_cpu_time_seconds_total", CPUTime),
	}
}

func containerSignals() []CauseSignal {
	const cadvisor, exporter, state, node = "cAdvisor", "process-exporter", "kube-state-metrics", "node exporter"
	out := []CauseSignal{
		one(cadvisor, "container_cpu_usage_seconds_total", CPUTime),
		one(cadvisor, "container_cpu_cfs_throttled_seconds_total", Throttled),
		one(cadvisor, "container_cpu_cfs_throttled_periods_total", Throttles),
		one(cadvisor, "container_pressure_cpu_waiting_seconds_total", CPUWait),
		one(cadvisor, "container_pressure_memory_waiting_seconds_total", MemoryStall),
		one(cadvisor, "container_pressure_io_waiting_seconds_total", DiskStall),
		one(cadvisor, "container_oom_events_total", MemoryKills),
		one(cadvisor, "container_memory_failcnt", MemoryFull),
		one(cadvisor, "container_memory_working_set_bytes", MemoryUsed),
		one(cadvisor, "container_spec_memory_limit_bytes", MemoryLimit),
		one(cadvisor, "container_start_time_seconds", Started),
		labelled(one(cadvisor, "container_memory_failures_total", DiskFaults), "failure_type", "pgmajfault"),
		one(state, "kube_pod_container_status_restarts_total", Restarts),
		labelled(one(state, "kube_pod_container_status_last_terminated_reason", MemoryKills), "reason", "OOMKilled"),
		one(exporter, "namedprocess_namegroup_cpu_seconds_total", CPUTime),
		one(exporter, "namedprocess_namegroup_oldest_start_time_seconds", Started),
		one(exporter, "namedprocess_namegroup_major_page_faults_total", DiskFaults),
	}
	for i := range out {
		out[i].Service = []string{"container_label_com_docker_compose_service", "container_label_io_kubernetes_container_name", "container", "groupname", "name"}
		out[i].Instance = []string{"pod", "name", "groupname"}
	}
	for _, s := range []CauseSignal{
		one(node, "node_pressure_cpu_waiting_seconds_total", CPUWait),
		one(node, "node_pressure_memory_waiting_seconds_total", MemoryStall),
		one(node, "node_pressure_io_waiting_seconds_total", DiskStall),
	} {
		s.Host = true
		out = append(out, s)
	}
	return out
}

func targetSignals() []CauseSignal {
	const by = "Prometheus"
	return []CauseSignal{one(by, "up", Up), one(by, "scrape_duration_seconds", ScrapeTime)}
}

// Selects reports whether a series of the family is one of the signal's.
func (s CauseSignal) Selects(labels map[string]string) bool {
	return Convention{Only: s.Only}.Selects(labels)
}
