package causes_test

import (
	"math"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// grows returns a counter that grows by before per second, and by then from the onset on.
func grows(name string, labels map[string]string, before, then float64) promtest.Counter {
	return promtest.Counter{Name: name, Labels: labels, At: func(at time.Time) float64 {
		s := at.Sub(began).Seconds()
		return before*s + (then-before)*math.Max(s-quietSeconds, 0) + .02*before*math.Sin(s)
	}}
}

// level returns a gauge.
func level(name string, labels map[string]string, before, then float64) promtest.Counter {
	return promtest.Counter{Name: name, Labels: labels, At: func(at time.Time) float64 {
		if at.Sub(began).Seconds() > quietSeconds {
			return then
		}
		return before
	}}
}

// TestForeign reads the signals of other exporters. The service is named by the labels that
// each of them has.
func TestForeign(t *testing.T) {
	own := func(c ...promtest.Counter) promtest.Target {
		return promtest.Target{Job: "shop/stock", Instance: "10.0.0.7:8080", Every: every,
			Counters: append(c, level("up", map[string]string{}, 1, 1), grows("process_cpu_seconds_total", map[string]string{}, .1, .1))}
	}
	none := map[string]string{}
	pod := map[string]string{"namespace": "shop", "pod": "stock-5d9c7-x2x", "container": "stock"}
	exporter := func(job string, c ...promtest.Counter) []promtest.Target {
		return []promtest.Target{own(), {Job: job, Instance: "10.0.0.9:9100", Every: every, Counters: c}}
	}
	for _, c := range []struct {
		by, kind string
		finding  string
		targets  []promtest.Target
	}{
		{"JVM, Micrometer", result.CauseGC, result.KindSelf, []promtest.Target{own(grows("jvm_gc_pause_seconds_sum", none, .002, .5), grows("jvm_gc_pause_seconds_count", none, .1, 2))}},
		{"JVM, OpenTelemetry", result.CauseGC, result.KindSelf, []promtest.Target{own(grows("jvm_gc_duration_seconds_sum", none, .002, .5), grows("jvm_gc_duration_seconds_count", none, .1, 2))}},
		{"JVM threads", result.CauseLock, result.KindSelf, []promtest.Target{own(level("jvm_threads_states_threads", map[string]string{"state": "blocked"}, 0, 3), level("jvm_threads_states_threads", map[string]string{"state": "runnable"}, 9, 9))}},
		{"HikariCP", result.CausePool, result.KindSelf, []promtest.Target{own(level("hikaricp_connections_pending", none, 0, 4))}},
		{"Go, OpenTelemetry", result.CauseCPU, result.KindSelf, []promtest.Target{own(grows("go_schedule_duration_seconds_sum", none, .01, 2))}},
		{"Go, client_golang", result.CauseCPU, result.KindSelf, []promtest.Target{own(grows("go_sched_latencies_seconds_sum", none, .01, 2))}},
		{"Node.js", result.CauseGC, result.KindSelf, []promtest.Target{own(grows("nodejs_gc_duration_seconds_sum", map[string]string{"kind": "major"}, .002, .5), grows("nodejs_gc_duration_seconds_count", map[string]string{"kind": "major"}, .1, 2))}},
		{"cAdvisor, pod", result.CauseThrottled, result.KindSelf, exporter("kubelet", grows("container_cpu_cfs_throttled_seconds_total", pod, .001, .7), grows("container_cpu_cfs_throttled_periods_total", pod, .01, 8))},
		{"cAdvisor, Compose", result.CauseThrottled, result.KindLink, exporter("cadvisor",
			grows("container_cpu_cfs_throttled_seconds_total", map[string]string{"container_label_com_docker_compose_service": "stock", "name": "shop-stock-1"}, .001, .7),
			grows("container_cpu_cfs_throttled_periods_total", map[string]string{"container_label_com_docker_compose_service": "stock", "name": "shop-stock-1"}, .01, 8))},
		{"cAdvisor, OOM", result.CauseMemory, result.KindErrors, exporter("kubelet", level("container_oom_events_total", pod, 0, 1))},
		{"kube-state-metrics", result.CauseRestart, result.KindErrors, exporter("kube-state-metrics", level("kube_pod_container_status_restarts_total", pod, 3, 5))},
		{"process-exporter", result.CauseCPU, result.KindSelf, []promtest.Target{
			{Job: "process-exporter", Instance: "10.0.0.9:9256", Every: every, Counters: []promtest.Counter{
				grows("namedprocess_namegroup_cpu_seconds_total", map[string]string{"groupname": "stock", "mode": "user"}, .1, 2.2)}}}},
		{"node exporter", result.CauseCPU, result.KindSelf, []promtest.Target{own(), {Job: "node", Instance: "10.0.0.7:9100", Every: every, Counters: []promtest.Counter{
			grows("node_pressure_cpu_waiting_seconds_total", none, .05, 1)}}}},
		{"another node", result.CauseUnknown, result.KindSelf, []promtest.Target{own(), {Job: "node", Instance: "10.0.0.8:9100", Every: every, Counters: []promtest.Counter{
			grows("node_pressure_cpu_waiting_seconds_total", none, .05, 1)}}}},
		{"another pod", result.CauseUnknown, result.KindSelf, exporter("kubelet", grows("container_cpu_cfs_throttled_seconds_total", map[string]string{"pod": "stockroom-1", "container": "stockroom"}, 0, .7))},
		{"nothing at all", result.CauseUnknown, result.KindSelf, []promtest.Target{{Job: "other", Instance: "x:1", Every: every, Counters: []promtest.Counter{level("up", none, 1, 1)}}}},
	} {
		r := found(c.finding, "stock", "", .01, .08)
		if got := causeFrom(t, r, evidence.Metrics{}, c.targets...); got == nil || got.Kind != c.kind {
			t.Errorf("%s: %s, want %s", c.by, show(got), c.kind)
		}
	}
}
