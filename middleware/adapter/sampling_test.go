package adapter_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// Sampling keeps the lines of slow messages, and those of an operation at its own rate.
func TestSampledLines(t *testing.T) {
	const slow = 300 * time.Millisecond
	only := map[string]float64{"op": 1}
	for _, c := range []struct {
		why      string
		sampling adapter.LogSampling
		duration time.Duration
		out      adapter.Outcome
		kept     bool
	}{
		{"no share", adapter.LogSampling{}, time.Hour, adapter.Outcome{}, false},
		{"all", adapter.LogSampling{Rate: 1}, 0, adapter.Outcome{}, true},
		{"faster than the threshold", adapter.LogSampling{Slow: slow}, slow - 1, adapter.Outcome{}, false},
		{"as slow as the threshold", adapter.LogSampling{Slow: slow}, slow, adapter.Outcome{}, true},
		{"slower", adapter.LogSampling{Slow: slow}, 2 * slow, adapter.Outcome{}, true},
		{"failed", adapter.LogSampling{Slow: slow}, 0, adapter.Outcome{Failed: true}, true},
		{"the caller's mistake", adapter.LogSampling{Slow: slow}, 0, adapter.Outcome{ErrorType: "404"}, true},
		{"the operation's share", adapter.LogSampling{Operations: only}, 0, adapter.Outcome{}, true},
		{"another operation's share", adapter.LogSampling{Operations: map[string]float64{"other": 1}}, 0, adapter.Outcome{}, false},
		{"no share of the operation", adapter.LogSampling{Rate: 1, Operations: map[string]float64{"op": 0}}, 0, adapter.Outcome{}, false},
		{"slow, without a share of the operation", adapter.LogSampling{Slow: slow, Operations: map[string]float64{"op": 0}}, slow, adapter.Outcome{}, true},
	} {
		var log bytes.Buffer
		logger, now := zerolog.New(&log), time.Unix(1_700_000_000, 0)
		core, err := adapter.NewCore(adapter.Config{ServiceName: "shop", Registerer: prometheus.NewRegistry(), Zerolog: &logger,
			LogSampling: &c.sampling, Clock: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		_, h := core.Begin(t.Context(), adapter.Incoming{Protocol: "test", Operation: "op"})
		now = now.Add(c.duration)
		h.End(c.out)
		if kept := log.Len() > 0; kept != c.kept {
			t.Errorf("%s: kept %v", c.why, kept)
		}
	}
}
