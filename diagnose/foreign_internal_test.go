package diagnose

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// The time that calls are on their way is counted once for calls at the same time, without the
// attempts of a call, and for each request of the entry.
func TestGapsTo(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	start := time.Unix(1_700_000_000, 0)
	type call struct {
		from, took int
		served     [][2]int // of the callee: from and length
	}
	request := func(calls ...call) trace.Trace {
		out := trace.Trace{ID: "1", Spans: []trace.Span{{ID: "root", Service: "edge", Operation: "GET /", Kind: trace.Server, Start: start, Duration: ms(300)}}}
		for i, c := range calls {
			id := fmt.Sprint("call", i)
			out.Spans = append(out.Spans, trace.Span{ID: id, Parent: "root", Service: "edge", Operation: "GET", Kind: trace.Client, Start: start.Add(ms(c.from)), Duration: ms(c.took)})
			for k, s := range c.served {
				out.Spans = append(out.Spans, trace.Span{ID: fmt.Sprintf("%s.%d", id, k), Parent: id, Service: "old", Operation: "GET /points", Kind: trace.Server,
					Start: start.Add(ms(s[0])), Duration: ms(s[1])})
			}
		}
		return out
	}
	many := make([]call, 20)
	for i := range many {
		many[i] = call{10, 210, [][2]int{{15, 200}}}
	}
	for _, c := range []struct {
		why    string
		traces []trace.Trace
		want   gap
	}{
		{"one call", []trace.Trace{request(call{10, 100, [][2]int{{20, 60}}})}, gap{40, 1}},
		{"parallel calls", []trace.Trace{request(many...)}, gap{10, 20}},
		{"attempts of one call", []trace.Trace{request(call{10, 210, [][2]int{{12, 68}, {80, 68}, {150, 68}}})}, gap{6, 1}},
		{"one request of two", []trace.Trace{request(call{10, 100, [][2]int{{20, 60}}}), request()}, gap{20, .5}},
	} {
		got := gapsTo("old", c.traces)["edge"]
		if d := got.ms - c.want.ms; d > .01 || d < -.01 || got.calls != c.want.calls {
			t.Errorf("%s: %+v, want %+v", c.why, got, c.want)
		}
	}
}
