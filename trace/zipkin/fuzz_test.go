package zipkin_test

import (
	"testing"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/zipkin"
)

// FuzzUnmarshal reads any text without a panic. Every span has a trace.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`[[{"traceId":"1","id":"2","parentId":"2","kind":"CLIENT","timestamp":1,"duration":9223372036854775807,"tags":{"error":""}}]]`))
	f.Add([]byte(`[{"traceId":"1","id":"2","kind":"SERVER","annotations":[{"timestamp":-1,"value":"x"}]},{"traceId":"1","id":"2","kind":"CLIENT"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = zipkin.Unmarshal(b, func(id string, _ trace.Span) {
			if id == "" {
				t.Error("a span without a trace")
			}
		})
	})
}
