package adapter_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// Calls without a request's context are counted by dependency and warned of once
// each, except before the first request.
func TestCallsOutsideRequests(t *testing.T) {
	var log bytes.Buffer
	reg := prometheus.NewRegistry()
	core, err := adapter.NewCore(adapter.Config{ServiceName: "shop", Registerer: reg, Slog: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	call := func(ctx context.Context, dep string) {
		_, c := core.BeginCall(ctx, adapter.Outgoing{Dependency: adapter.Dependency{Name: dep, Kind: adapter.KindHTTP}})
		c.End(adapter.Outcome{})
	}
	call(context.Background(), "rates")
	_, skipped := core.BeginCall(context.Background(), adapter.Outgoing{Dependency: adapter.Dependency{Name: "skipped", Kind: adapter.KindDatabase}})
	skipped.Discard()
	if log.Len() > 0 {
		t.Errorf("a call at the start of the process is warned of: %s", &log)
	}
	ctx, h := core.Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /"})
	call(ctx, "stock")
	for range 5 {
		call(context.Background(), "rates")
		call(context.Background(), "stock")
		call(adapter.Restore(context.Background(), adapter.Snapshot(ctx)), "relay")
	}
	h.End(adapter.Outcome{Quiet: true})
	if got := outsideCalls(t, reg); got["rates"] != 6 || got["stock"] != 5 || got["relay"] != 0 || got["skipped"] != 0 {
		t.Errorf("counted are %v", got)
	}
	if n := strings.Count(log.String(), "without the context"); n != 2 {
		t.Errorf("%d warnings for two dependencies: %s", n, &log)
	}
	for i := range 1000 {
		call(context.Background(), fmt.Sprint("host", i))
	}
	if got := outsideCalls(t, reg); len(got) > 257 {
		t.Errorf("%d series", len(got))
	}
}

func outsideCalls(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "hop_outside_calls_total" {
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return got
}
