package trace_test

import (
	"fmt"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// A checkout asks two services at once and waits for the slower one.
func ExampleTree_CriticalPath() {
	at := time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC)
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	tree := trace.NewTree(&trace.Trace{Spans: []trace.Span{
		{ID: "1", Service: "gateway", Operation: "POST /checkout", Kind: trace.Server, Start: at, Duration: ms(100)},
		{ID: "2", Parent: "1", Service: "gateway", Operation: "Charge", Kind: trace.Client, Start: at.Add(ms(10)), Duration: ms(80)},
		{ID: "3", Parent: "2", Service: "payment", Operation: "Charge", Kind: trace.Server, Start: at.Add(ms(12)), Duration: ms(75)},
		{ID: "4", Parent: "1", Service: "gateway", Operation: "Points", Kind: trace.Client, Start: at.Add(ms(10)), Duration: ms(30)},
	}})
	for _, s := range tree.CriticalPath(tree.Root()) {
		span := tree.Span(s.Span)
		fmt.Println(span.Service, span.Operation, s.Took())
	}
	// Output:
	// gateway POST /checkout 10ms
	// gateway Charge 2ms
	// payment Charge 75ms
	// gateway Charge 3ms
	// gateway POST /checkout 10ms
}

// A stream of traces is read with one Tree, whose memory is reused.
func ExampleTree_Load() {
	traces := []trace.Trace{
		{ID: "a", Spans: []trace.Span{{ID: "1", Service: "gateway", Duration: 20 * time.Millisecond}}},
		{ID: "b", Spans: []trace.Span{{ID: "1", Service: "gateway", Duration: 30 * time.Millisecond}}},
	}
	var tree trace.Tree
	var self time.Duration
	for i := range traces {
		tree.Load(&traces[i])
		for _, span := range tree.Order() {
			self += tree.Self(span)
		}
	}
	fmt.Println(self)
	// Output: 50ms
}
