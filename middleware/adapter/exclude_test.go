package adapter_test

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// Each signal is left out without the others; metrics are the hop's families
// and the transport's own together.
func TestSignalsAreLeftOutOneByOne(t *testing.T) {
	for _, c := range []struct {
		why                    string
		skip                   hop.Signals
		out                    adapter.Outcome
		spans, metrics, logged int
	}{
		{"nothing", 0, adapter.Outcome{}, 1, 1, 1},
		{"traces", hop.Traces, adapter.Outcome{}, 0, 1, 1},
		{"metrics", hop.Metrics, adapter.Outcome{}, 1, 0, 1},
		{"logs", hop.Logs, adapter.Outcome{}, 1, 1, 0},
		{"all", hop.AllSignals, adapter.Outcome{}, 0, 0, 0},
		{"metrics, at the end", 0, adapter.Outcome{Unmetered: true}, 1, 0, 1},
		{"the log line, at the end", 0, adapter.Outcome{Quiet: true}, 1, 1, 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			rec := mwtest.New(t)
			family, err := rec.Core().RequestHistogram("transport_duration_seconds", "Of the transport.")
			if err != nil {
				t.Fatal(err)
			}
			c.out.Series, c.out.Queued, c.out.QueueWait = family.With(), true, time.Second
			_, h := rec.Core().Begin(t.Context(), adapter.Incoming{Protocol: "test", Operation: "process orders", Skip: c.skip})
			h.StartCall(hop.Dependency{Name: "stock", Kind: hop.KindHTTP}).End()
			h.End(c.out)
			if spans, lines := len(rec.Spans()), len(rec.Lines()); spans != c.spans || lines != c.logged {
				t.Errorf("%d spans and %d lines, want %d and %d", spans, lines, c.spans, c.logged)
			}
			for _, name := range []string{"hop_self_duration_seconds", "hop_duration_seconds", "hop_wait_duration_seconds",
				"hop_queue_wait_seconds", "hop_completion_duration_seconds", "transport_duration_seconds"} {
				if n := rec.Count(name); n != c.metrics {
					t.Errorf("%s counts %d, want %d", name, n, c.metrics)
				}
			}
		})
	}
}
