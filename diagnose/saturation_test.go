package diagnose_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// busy returns n traces of a request that waits for one of the callee's workers. The
// callee's time is a query.
func busy(rng *rand.Rand, n int, at time.Time, query, wait time.Duration) []trace.Trace {
	var out []trace.Trace
	vary := func(d time.Duration) time.Duration { return time.Duration(float64(d) * (.7 + .6*rng.Float64())) }
	for i := range n {
		q, w := vary(query), vary(wait)
		const ms = time.Millisecond
		span := func(id, parent, service, operation string, kind trace.Kind, from, took time.Duration) trace.Span {
			return trace.Span{ID: id, Parent: parent, Service: service, Operation: operation, Kind: kind, Start: at.Add(from), Duration: took,
				Attributes: map[string]string{}}
		}
		t := trace.Trace{ID: string(rune('a'+i%26)) + at.String(), Spans: []trace.Span{
			span("1", "", "till", "POST /sale", trace.Server, 0, w+q+9*ms),
			span("2", "1", "till", "Book", trace.Client, 2*ms, w+q+5*ms),
			span("3", "2", "ledger", "Book", trace.Server, w+4*ms, q+2*ms),
			span("4", "3", "ledger", "INSERT", trace.Client, w+5*ms, q)}}
		t.Spans[1].Attributes["peer.service"], t.Spans[3].Attributes["db.system"] = "ledger", "postgresql"
		out = append(out, t)
		at = at.Add(time.Second)
	}
	return out
}

// A slow query saturates its service. It comes before the much longer wait in front of
// the service. A wait alone is the link's.
func TestSaturation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 14))
	at := time.Unix(1_700_000_000, 0)
	const ms = time.Millisecond
	before := busy(rng, 100, at, 10*ms, ms)
	r := between(before, busy(rng, 100, at.Add(time.Hour), 60*ms, 300*ms))
	if r.Verdict != result.Spike || len(r.Findings) != 2 || r.Findings[0].Kind != result.KindDependency || r.Findings[1].Kind != result.KindLink {
		t.Errorf("%s: %+v", r.Verdict, r.Findings)
	} else if c := r.Findings[1].Cause; c == nil || c.Kind != result.CauseSaturation {
		t.Errorf("the cause of the wait is %+v", c)
	}
	r = between(before, busy(rng, 100, at.Add(time.Hour), 10*ms, 300*ms))
	if len(r.Findings) == 0 || r.Findings[0].Kind != result.KindLink || r.Findings[0].Cause != nil {
		t.Errorf("a slow link: %+v", r.Findings)
	}
}
