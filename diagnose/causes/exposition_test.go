package causes_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/tenhop/tenhop/diagnose/causes"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

var values = regexp.MustCompile(`\[(\S+) (\S+) (\S+)\]`)

// exposed returns the series of an exposition in Prometheus's text format. A value is
// written as three: at the start, at the onset and at the end.
func exposed(t *testing.T, text string) []promtest.Counter {
	t.Helper()
	type series struct {
		labels map[string]string
		at     [3]float64
		gauge  bool
	}
	all := map[string]*series{}
	for moment := range 3 {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(values.ReplaceAllString(text, "$"+strconv.Itoa(moment+1)) + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range families {
			for _, m := range f.GetMetric() {
				labels := map[string]string{}
				for _, l := range m.GetLabel() {
					labels[l.GetName()] = l.GetValue()
				}
				put := func(suffix string, v float64) {
					key := name + suffix + "\x00" + labelsKey(labels)
					if all[key] == nil {
						all[key] = &series{labels: labels, gauge: f.GetType() == dto.MetricType_GAUGE}
					}
					all[key].at[moment] = v
				}
				switch {
				case m.GetHistogram() != nil:
					put("_sum", m.GetHistogram().GetSampleSum())
					put("_count", float64(m.GetHistogram().GetSampleCount()))
				case m.GetSummary() != nil:
					put("_sum", m.GetSummary().GetSampleSum())
					put("_count", float64(m.GetSummary().GetSampleCount()))
				default:
					put("", m.GetCounter().GetValue()+m.GetGauge().GetValue()+m.GetUntyped().GetValue())
				}
			}
		}
	}
	var out []promtest.Counter
	for key, s := range all {
		name, _, _ := strings.Cut(key, "\x00")
		out = append(out, promtest.Counter{Name: name, Labels: s.labels, At: func(at time.Time) float64 {
			sec := at.Sub(began).Seconds()
			switch {
			case s.gauge && sec <= quietSeconds:
				return s.at[1]
			case s.gauge:
				return s.at[2]
			case sec <= quietSeconds:
				return s.at[0] + (s.at[1]-s.at[0])*sec/quietSeconds
			}
			v := s.at[1] + (s.at[2]-s.at[1])*math.Min(2*(sec-quietSeconds)/faultSeconds, 1)
			if s.at[1] == math.Trunc(s.at[1]) && s.at[2]-s.at[1] < 10 {
				return math.Floor(v) // it counts events
			}
			return v
		}})
	}
	return out
}

func labelsKey(labels map[string]string) string {
	var b strings.Builder
	for _, k := range []string{"container", "pod", "name", "groupname", "mode", "reason", "state", "cpu_mode", "id", "failure_type"} {
		b.WriteString(labels[k] + ",")
	}
	return b.String()
}

// TestExpositions reads what other exporters write, as they write it.
func TestExpositions(t *testing.T) {
	for _, c := range []struct {
		by, kind, finding string
		own, other        string
	}{
		{"cAdvisor in a kubelet", result.CauseThrottled, result.KindSelf, "", `
# HELP container_cpu_cfs_throttled_periods_total Number of throttled period intervals.
# TYPE container_cpu_cfs_throttled_periods_total counter
container_cpu_cfs_throttled_periods_total{container="stock",id="/kubepods.slice/pod1/c1",image="registry/stock:1",name="c1",namespace="shop",pod="stock-5d9c7-x2x"} [100 101 240]
container_cpu_cfs_throttled_periods_total{container="prices",id="/kubepods.slice/pod2/c2",image="registry/prices:1",name="c2",namespace="shop",pod="prices-77-abc"} [5 5 5]
# HELP container_cpu_cfs_throttled_seconds_total Total time duration the container has been throttled.
# TYPE container_cpu_cfs_throttled_seconds_total counter
container_cpu_cfs_throttled_seconds_total{container="stock",id="/kubepods.slice/pod1/c1",image="registry/stock:1",name="c1",namespace="shop",pod="stock-5d9c7-x2x"} [9.5 9.6 21.4]
container_cpu_cfs_throttled_seconds_total{container="prices",id="/kubepods.slice/pod2/c2",image="registry/prices:1",name="c2",namespace="shop",pod="prices-77-abc"} [.2 .2 .2]`},
		{"cAdvisor without labels of containers", result.CauseThrottled, result.KindSelf, "", `
# TYPE container_cpu_cfs_throttled_periods_total counter
container_cpu_cfs_throttled_periods_total{id="/docker/0a1b",image="stock:1",name="stock"} [100 101 240]
# TYPE container_cpu_cfs_throttled_seconds_total counter
container_cpu_cfs_throttled_seconds_total{id="/docker/0a1b",image="stock:1",name="stock"} [9.5 9.6 21.4]`},
		{"cAdvisor, a process killed for memory", result.CauseMemory, result.KindErrors, "", `
# HELP container_oom_events_total Count of out of memory events observed for the container
# TYPE container_oom_events_total counter
container_oom_events_total{container="stock",id="/kubepods.slice/pod1/c1",image="registry/stock:1",name="c1",namespace="shop",pod="stock-5d9c7-x2x"} [0 0 1]`},
		{"kube-state-metrics, killed for memory", result.CauseMemory, result.KindErrors, "", `
# HELP kube_pod_container_status_last_terminated_reason Describes the last reason the container was in terminated state.
# TYPE kube_pod_container_status_last_terminated_reason gauge
kube_pod_container_status_last_terminated_reason{namespace="shop",pod="stock-5d9c7-x2x",uid="u",container="stock",reason="OOMKilled"} [0 0 1]
# TYPE kube_pod_container_status_restarts_total counter
kube_pod_container_status_restarts_total{namespace="shop",pod="stock-5d9c7-x2x",uid="u",container="stock"} [2 2 3]`},
		{"kube-state-metrics, restarts", result.CauseRestart, result.KindErrors, "", `
# TYPE kube_pod_container_status_ready gauge
kube_pod_container_status_ready{namespace="shop",pod="stock-5d9c7-x2x",uid="u",container="stock"} [1 1 0]
# TYPE kube_pod_container_status_restarts_total counter
kube_pod_container_status_restarts_total{namespace="shop",pod="stock-5d9c7-x2x",uid="u",container="stock"} [2 2 6]
kube_pod_container_status_restarts_total{namespace="shop",pod="prices-77-abc",uid="v",container="prices"} [0 0 0]`},
		{"process-exporter", result.CauseCPU, result.KindSelf, "", `
# HELP namedprocess_namegroup_cpu_seconds_total Cpu user usage in seconds
# TYPE namedprocess_namegroup_cpu_seconds_total counter
namedprocess_namegroup_cpu_seconds_total{groupname="stock",mode="system"} [3 4 5]
namedprocess_namegroup_cpu_seconds_total{groupname="stock",mode="user"} [30 40 72]
namedprocess_namegroup_cpu_seconds_total{groupname="prices",mode="user"} [30 40 41.6]
# TYPE namedprocess_namegroup_oldest_start_time_seconds gauge
namedprocess_namegroup_oldest_start_time_seconds{groupname="stock"} [1.69e9 1.69e9 1.69e9]`},
		{"client_golang", result.CauseGC, result.KindSelf, `
# HELP go_gc_duration_seconds A summary of the wall-time pause (stop-the-world) duration in garbage collection cycles.
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0"} 1.2e-05
go_gc_duration_seconds{quantile="1"} 0.4
go_gc_duration_seconds_sum [0.1 0.12 8]
go_gc_duration_seconds_count [100 120 160]
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total [10 20 22]`, ""},
		{"OpenTelemetry's collector, process CPU time", result.CauseCPU, result.KindSelf, `
# TYPE process_cpu_time_seconds_total counter
process_cpu_time_seconds_total{cpu_mode="user",otel_scope_name="process"} [10 20 50]
process_cpu_time_seconds_total{cpu_mode="system",otel_scope_name="process"} [1 2 4]
# TYPE go_goroutine_count gauge
go_goroutine_count{otel_scope_name="go.opentelemetry.io/contrib/instrumentation/runtime"} [12 12 15]`, ""},
		{"nothing moved", result.CauseUnknown, result.KindSelf, `
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total [10 20 21.6]
# TYPE go_goroutines gauge
go_goroutines [12 12 15]`, ""},
	} {
		own := append(exposed(t, c.own), level("up", map[string]string{}, 1, 1))
		targets := []promtest.Target{{Job: "stock", Instance: "10.0.0.7:8080", Every: every, Counters: own}}
		if c.other != "" {
			targets = append(targets, promtest.Target{Job: "exporter", Instance: "10.0.0.9:9100", Every: every, Counters: exposed(t, c.other)})
		}
		r := found(c.finding, "stock", "", .01, .08)
		if got := causeFrom(t, r, evidence.Metrics{}, targets...); got == nil || got.Kind != c.kind {
			t.Errorf("%s: %s, want %s", c.by, show(got), c.kind)
		}
	}
}

// TestNative reads a histogram that exists in its native form only, by instance.
func TestNative(t *testing.T) {
	end := began.Add(seconds * time.Second)
	target := func(name string, wait float64) promtest.Target {
		return promtest.Target{Job: "shop", Instance: name, Every: every, Counters: []promtest.Counter{
			level("up", map[string]string{}, 1, 1), grows("process_cpu_seconds_total", map[string]string{"service_name": "stock"}, .1, .1),
			{Name: "db_client_connection_wait_time_seconds", Labels: map[string]string{"service_name": "stock", "db_client_connection_pool_name": "stock-db"}, Native: func(at time.Time) map[float64]float64 {
				s := at.Sub(began).Seconds()
				return map[float64]float64{.001: math.Floor(2 * s), .1: math.Floor(wait * 10 * math.Max(s-quietSeconds, 0))}
			}}}}
	}
	srv := promtest.Serve(t, began, end, target("a:1", 0), target("b:1", 2))
	client, err := prometheus.New(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := found(result.KindDependency, "stock", "stock-db", .01, .1)
	if _, err := causes.Explain(t.Context(), client, causes.Question{Result: r, Now: end}); err != nil {
		t.Fatal(err)
	}
	if f := r.Findings[0]; f.Cause.Kind != result.CausePool || !f.Cause.Sure || f.Instance != "b:1" {
		t.Errorf("%s at %q, want pool at b:1", show(f.Cause), f.Instance)
	}
}
