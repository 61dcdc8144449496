package adapter_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// active returns the gauges of the operations in flight: number and age in seconds.
func active(t *testing.T, reg *prometheus.Registry) map[string][2]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][2]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			v := out[labels["operation"]]
			switch f.GetName() {
			case "hop_active_requests":
				v[0] = m.GetGauge().GetValue()
			case "hop_oldest_request_age_seconds":
				v[1] = m.GetGauge().GetValue()
			default:
				continue
			}
			out[labels["operation"]] = v
		}
	}
	return out
}

func TestInFlight(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	reg := prometheus.NewRegistry()
	core, err := adapter.NewCore(adapter.Config{ServiceName: "shop", Registerer: reg, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	begin := func(op string, skip adapter.Signals) *adapter.Hop {
		_, h := core.Begin(context.Background(), adapter.Incoming{Protocol: "grpc", Operation: op, Skip: skip})
		return h
	}
	first := begin("Charge", 0)
	now = now.Add(2 * time.Second)
	second, excluded := begin("Charge", 0), begin("Health", adapter.Metrics)
	now = now.Add(time.Second)
	if got := active(t, reg); got["Charge"] != [2]float64{2, 3} || len(got) != 1 {
		t.Errorf("%v, want two of Charge, the oldest 3 s old", got)
	}
	first.End(adapter.Outcome{Quiet: true})
	first.End(adapter.Outcome{Quiet: true})
	excluded.End(adapter.Outcome{Quiet: true})
	if got := active(t, reg); got["Charge"] != [2]float64{1, 1} {
		t.Errorf("%v, want one of Charge, 1 s old", got)
	}
	second.End(adapter.Outcome{Quiet: true})
	if got, ok := active(t, reg)["Charge"]; !ok || got != [2]float64{} {
		t.Errorf("%v, %v; want zeros", got, ok)
	}
}

// TestInFlightLimit bounds the series, and keeps the lists whole under concurrent use.
func TestInFlightLimit(t *testing.T) {
	reg := prometheus.NewRegistry()
	core, err := adapter.NewCore(adapter.Config{ServiceName: "shop", Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 400 {
		all.Go(func() {
			_, h := core.Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: fmt.Sprint("GET /", i)})
			if i%50 == 0 {
				active(t, reg)
			}
			if i%2 == 0 {
				h.End(adapter.Outcome{Quiet: true})
			}
		})
	}
	all.Wait()
	total := 0.0
	got := active(t, reg)
	for _, v := range got {
		total += v[0]
	}
	if total != 200 || len(got) > 101 {
		t.Errorf("%v in flight in %d operations, want 200 in at most 101", total, len(got))
	}
}
