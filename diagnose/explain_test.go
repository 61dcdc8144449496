package diagnose

import (
	"testing"
	"time"
)

// A hop that reports no metrics of ours has its operation from traces: from slow
// ones, or from ordinary ones where none of the slow was sampled.
func TestTheOperationComesFromTraces(t *testing.T) {
	trace := func(operation string) Trace {
		at := time.Unix(0, 0)
		return Trace{ID: operation, Spans: []Span{
			{ID: "1", Service: "pricing", Operation: "Quote", Kind: "server", Start: at, Duration: 10 * time.Millisecond},
			{ID: "2", Parent: "1", Service: "pricing", Operation: "GET", Kind: "client", Start: at, Duration: 9 * time.Millisecond},
			{ID: "3", Parent: "2", Service: "loyalty", Operation: operation, Kind: "server", Start: at, Duration: 8 * time.Millisecond},
		}}
	}
	slow, normal := []Trace{trace("GET /slow")}, []Trace{trace("GET /points"), trace("GET /points")}
	for _, c := range []struct {
		slow []Trace
		want string
	}{{slow, "GET /slow"}, {nil, "GET /points"}} {
		res := Result{Verdict: Spike, Findings: []Finding{{Hop: "loyalty", Kind: KindSelf}}}
		Explain(&res, c.slow, normal)
		if got := res.Findings[0].Operation; got != c.want {
			t.Errorf("with %d slow traces the operation is %q, want %q", len(c.slow), got, c.want)
		}
	}
}
