package stdout_test

import (
	"testing"

	"github.com/tenhop/tenhop/trace/stdout"
)

// FuzzSpan reads any text as a span of either exporter. A duration is never negative.
func FuzzSpan(f *testing.F) {
	f.Add([]byte(`{"Name":"a","SpanContext":{"TraceID":"01","SpanID":"02"},"StartTime":"0001-01-01T00:00:00Z","EndTime":"9999-12-31T23:59:59Z","Attributes":[{"Key":"k","Value":{"Value":1}}]}`))
	f.Add([]byte(`{"name":"a","context":{"trace_id":"0x01","span_id":"0x02"},"start_time":"2024-01-01T00:00:00Z","attributes":{"k":[1]},"status":{"status_code":"ERROR"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d stdout.Decoder
		for range 2 { // the second time with interned strings
			if _, s, err := d.Go(b); err == nil && s.Duration < 0 {
				t.Errorf("duration %s", s.Duration)
			}
			if _, s, err := d.Python(b); err == nil && s.Duration < 0 {
				t.Errorf("duration %s", s.Duration)
			}
		}
	})
}
