package adapter_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// Names that are no UTF-8 become labels without a panic in the service.
func TestNamesThatAreNoUTF8(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	core, err := adapter.NewCore(adapter.Config{ServiceName: "shop", Registerer: reg, Slog: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	const bad = "a\xffb"
	dep := adapter.Dependency{Name: bad, Kind: adapter.KindHTTP}
	h, err := core.RequestHistogram("some_duration_seconds", "Some.", "name")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		core.CountOutside(dep)
		core.Report(&adapter.Measured{Protocol: bad, Operation: bad, Entry: bad, EntryStart: time.Now(), Async: true, End: time.Now(), Waits: []adapter.Wait{{Dependency: dep}}})
		h.Observe(time.Second, time.Now(), trace.SpanContext{}, bad)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "some_duration_seconds" && (len(f.GetMetric()) != 1 || f.GetMetric()[0].GetHistogram().GetSampleCount() != 2) {
			t.Errorf("series: %v", f)
		}
	}
}

// The methods of a nil pointer in an error may panic.
func TestErrorTypeOfANilPointer(t *testing.T) {
	var err *os.PathError
	if got := adapter.ErrorType(err); got != "*fs.PathError" {
		t.Errorf("%q", got)
	}
}
