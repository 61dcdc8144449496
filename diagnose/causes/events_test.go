package causes_test

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/result"
)

// TestMemoryBefore takes a restart at the memory limit for a kill, also if nothing counts
// kills.
func TestMemoryBefore(t *testing.T) {
	for _, c := range []struct {
		used, failures float64
		kind           string
		sure           bool
	}{{.97, 3, result.CauseMemory, true}, {.97, 0, result.CauseMemory, false}, {.5, 3, result.CauseRestart, true}} {
		f := newFleet(61)
		hop := f.services[2]
		p := f.of(hop)[0]
		p.gauges["hop_cgroup_memory_limit_bytes"] = constant(1e9)
		p.gauges["hop_cgroup_memory_usage_bytes"] = constant(4e8)
		p.counters["hop_cgroup_memory_events_total"] = constant(0)
		p.labels["hop_cgroup_memory_events_total"] = map[string]string{"event": "max"}
		for i := quietSeconds - 6; i < quietSeconds; i++ {
			p.gauges["hop_cgroup_memory_usage_bytes"][i] = c.used * 1e9
			p.counters["hop_cgroup_memory_events_total"][i] = c.failures
		}
		p.restart(quietSeconds)
		if got := explain(t, f, found(result.KindErrors, hop, "", 0, 0)); got.Cause.Kind != c.kind || got.Cause.Sure != c.sure {
			t.Errorf("%+v: %s", c, show(got.Cause))
		}
	}
}

// TestDeploy takes the restart of a deploy for what it is.
func TestDeploy(t *testing.T) {
	f := newFleet(42)
	hop := f.services[1]
	for _, p := range f.of(hop) {
		p.restart(quietSeconds)
	}
	r := found(result.KindSelf, hop, "", .01, .1)
	r.Deploys = []result.Deploy{{Service: hop, Version: "2", Before: "1", Seen: r.Window.From}}
	if got := explain(t, f, r); got.Cause.Kind != result.CauseCode || got.Cause.Sure {
		t.Errorf("%s, want code", show(got.Cause))
	}
}
