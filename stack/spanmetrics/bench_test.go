package spanmetrics

import (
	"testing"
	"time"
)

// BenchmarkSpans measures a trace of eight spans from three services.
func BenchmarkSpans(b *testing.B) {
	p := New()
	now := epoch
	td := spans(1, shop...)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for _, rs := range td.ResourceSpans().All() {
			s := rs.ScopeSpans().At(0).Spans().At(0)
			id := s.TraceID()
			id[0], id[1], id[2] = byte(i), byte(i>>8), byte(i>>16)
			s.SetTraceID(id)
		}
		now = now.Add(time.Millisecond)
		p.Add(Read(td), now)
		if i%500 == 0 {
			p.Flush(now)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(shop)), "ns/span")
}
