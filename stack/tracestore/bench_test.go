package tracestore

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// exports makes what one service sends at a time: three spans of each of 20
// traces.
func exports(r *rand.Rand, n int) [][]testSpan {
	out := make([][]testSpan, n)
	for i := range out {
		for j := range 60 {
			out[i] = append(out[i], testSpan{
				trace: byte(j / 3), span: byte(j), service: fmt.Sprint("s", i%13), name: fmt.Sprint("o", j%3),
				lasts: time.Duration(r.IntN(1000)) * time.Millisecond,
				attributes: map[string]string{
					"http.request.method": "POST", "http.route": "/checkout", "region": "eu", "customer.tier": "gold",
					"server.address": "127.0.0.1", "correlation_id": fmt.Sprint(r.Int64()),
				},
			})
		}
	}
	return out
}

// BenchmarkAppend stores 60 spans an operation.
func BenchmarkAppend(b *testing.B) {
	s := open(b, b.TempDir())
	batches := exports(rand.New(rand.NewPCG(1, 1)), 13)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		spans := batches[i%len(batches)]
		for j := range spans {
			spans[j].at = time.Duration(i) // a repeated span would not be stored
		}
		td := batch(spans...)
		b.StartTimer()
		if err := s.Append(td); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFind searches 120,000 spans for an attribute that none has: the
// slowest search there is.
func BenchmarkFind(b *testing.B) {
	s := open(b, b.TempDir())
	for _, e := range exports(rand.New(rand.NewPCG(1, 1)), 2000) {
		add(b, s, e...)
	}
	b.ReportAllocs()
	for b.Loop() {
		ids, err := s.FindIDs(b.Context(), Query{Attributes: map[string]string{"region": "asia"}})
		if err != nil || len(ids) > 0 {
			b.Fatal(ids, err)
		}
	}
}
