package explain

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// The operation of a hop without hop_* metrics comes from slow traces, or from ordinary
// ones if no slow one was sampled.
func TestTheOperationComesFromTraces(t *testing.T) {
	of := func(operation string) trace.Trace {
		at := time.Unix(0, 0)
		return trace.Trace{ID: operation, Spans: []trace.Span{
			{ID: "1", Service: "pricing", Operation: "Quote", Kind: "server", Start: at, Duration: 10 * time.Millisecond},
			{ID: "2", Parent: "1", Service: "pricing", Operation: "GET", Kind: "client", Start: at, Duration: 9 * time.Millisecond},
			{ID: "3", Parent: "2", Service: "loyalty", Operation: operation, Kind: "server", Start: at, Duration: 8 * time.Millisecond},
		}}
	}
	slow, normal := []trace.Trace{of("GET /slow")}, []trace.Trace{of("GET /points"), of("GET /points")}
	for _, c := range []struct {
		slow []trace.Trace
		want string
	}{{slow, "GET /slow"}, {nil, "GET /points"}} {
		res := result.Result{Verdict: result.Spike, Findings: []result.Finding{{Hop: "loyalty", Kind: result.KindSelf}}}
		Latency(&res, c.slow, normal)
		if got := res.Findings[0].Operation; got != c.want {
			t.Errorf("with %d slow traces the operation is %q, want %q", len(c.slow), got, c.want)
		}
	}
}
