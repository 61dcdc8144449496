package mcp

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/matrix"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// hopSpec is a hop of the simulated storefront: what it does and whom it calls.
type hopSpec struct {
	service, operation string
	async              bool // it consumes a message of its caller
	calls              []hopSpec
}

// storefront has the shape of the storefront's checkout.
var storefront = hopSpec{service: "gateway", operation: "POST /checkout", calls: []hopSpec{
	{service: "identity", operation: "Verify"},
	{service: "catalog", operation: "GET /products/{id}"},
	{service: "checkout", operation: "Place", calls: []hopSpec{
		{service: "cart", operation: "Get"},
		{service: "pricing", operation: "Quote", calls: []hopSpec{{service: "loyalty", operation: "Points"}}},
		{service: "inventory", operation: "Reserve"},
		{service: "order", operation: "Create", calls: []hopSpec{
			{service: "payment", operation: "Charge", calls: []hopSpec{{service: "fraud", operation: "Score"}}},
			{service: "shipping", operation: "process orders.placed", async: true, calls: []hopSpec{
				{service: "notification", operation: "process shipments.created", async: true},
			}},
		}},
	}},
}}

func (h hopSpec) services() (out []string) {
	out = append(out, h.service)
	for _, c := range h.calls {
		out = append(out, c.services()...)
	}
	return out
}

// recorder builds the trace of a request.
type recorder struct {
	rng  *rand.Rand
	slow map[string]time.Duration
	tr   trace.Trace
	more int // internal spans of each hop
}

// run adds the spans of a hop and returns its end. Its work is before, between and after its
// calls.
func (r *recorder) run(h hopSpec, parent string, from time.Time) time.Time {
	span := func(parent, operation string, kind trace.Kind, from time.Time) int {
		r.tr.Spans = append(r.tr.Spans, trace.Span{ID: fmt.Sprintf("%016x", len(r.tr.Spans)+1), Parent: parent, Service: h.service, Operation: operation,
			Kind: kind, Start: from, Attributes: map[string]string{}, Resource: map[string]string{"service.version": "1.0"}})
		return len(r.tr.Spans) - 1
	}
	kind := trace.Server
	if h.async {
		kind = trace.Consumer
	}
	own := span(parent, h.operation, kind, from)
	id := r.tr.Spans[own].ID
	work := func() time.Duration { return time.Duration((1 + r.rng.ExpFloat64()) * float64(time.Millisecond)) }
	at := from.Add(work() + r.slow[h.service])
	for i := range r.more {
		in := span(id, fmt.Sprintf("step %d of a long name that services give their spans", i%50), trace.Internal, at)
		at = at.Add(10 * time.Microsecond)
		r.tr.Spans[in].Duration = 10 * time.Microsecond
	}
	for _, c := range h.calls {
		kind := trace.Client
		if c.async {
			kind = trace.Producer
		}
		call := span(id, c.operation, kind, at)
		r.tr.Spans[call].Attributes["peer.service"] = c.service
		if c.async {
			r.run(c, r.tr.Spans[call].ID, at.Add(5*time.Millisecond))
			at = at.Add(time.Millisecond)
		} else {
			at = r.run(c, r.tr.Spans[call].ID, at.Add(200*time.Microsecond)).Add(200 * time.Microsecond)
		}
		r.tr.Spans[call].Duration = at.Sub(r.tr.Spans[call].Start)
		at = at.Add(work() / 4)
	}
	r.tr.Spans[own].Duration = at.Sub(from)
	return at
}

// simulated diagnoses requests of the storefront before and after a hop became slower. It
// returns the result and the number of spans it rests on.
func simulated(seed uint64, requests, more int, slow map[string]time.Duration) (res result.Result, spans int) {
	rng := rand.New(rand.NewPCG(seed, 13))
	at := time.Unix(1_700_000_000, 0)
	s, base, now := sample.New(), compare.NewProfile(), compare.NewProfile()
	fill := func(p *compare.Profile, from time.Time, slow map[string]time.Duration) {
		for i := range requests {
			r := recorder{rng: rng, slow: slow, more: more, tr: trace.Trace{ID: fmt.Sprintf("%032x", rng.Uint64())}}
			r.run(storefront, "", from.Add(time.Duration(i)*time.Second))
			spans += len(r.tr.Spans)
			s.Add(r.tr)
			p.Add(r.tr, nil)
		}
	}
	fill(base, at, nil)
	s.EndBaseline()
	fill(now, at.Add(time.Hour), slow)
	baseline, _ := s.Join()
	c := compare.Profiles(base, now)
	d := diagnose.Diagnose(diagnose.Evidence{Sample: s, Comparison: &c}, diagnose.Options{BaselineFrom: baseline.From, BaselineTo: baseline.To})
	d.ExplainSample()
	return d.Result(), spans
}

func answering(res result.Result) Config {
	return Config{Diagnose: func(context.Context, string, time.Duration) (result.Result, error) { return res, nil }}
}

// The first call of an assistant names the hop, for each hop of the storefront.
func TestEveryHopOnTheFirstCall(t *testing.T) {
	right := 0
	services := storefront.services()
	for i, service := range services {
		res, spans := simulated(uint64(i), 60, 0, map[string]time.Duration{service: 200 * time.Millisecond})
		got, text, size := call[Diagnosis](t, connect(t, answering(res)), "diagnose", Question{})
		if got.Verdict == result.Spike && len(got.Findings) > 0 && got.Findings[0].Hop == service {
			right++
		} else {
			t.Errorf("%s: %s", service, text)
		}
		t.Logf("%-13s %d spans, %d bytes: %s", service, spans, size, got.Says)
	}
	t.Logf("right hop on the first call: %d of %d", right, len(services))
}

// The same of the storefront as it was recorded, with 200 ms at each hop whose faults are.
func TestRecordedHopsOnTheFirstCall(t *testing.T) {
	f, err := os.Open("../diagnose/matrix/testdata/sampling-1.jsonl.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cells, err := matrix.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range cells {
		if c.Latency < 200*time.Millisecond || seen[c.Hop] {
			continue
		}
		res := diagnose.Diagnose(diagnose.Evidence{Metrics: c.Evidence}, diagnose.Options{}).Result()
		got, text, _ := call[Diagnosis](t, connect(t, answering(res)), "diagnose", Question{})
		seen[c.Hop] = true
		if !c.First(got.Result) {
			t.Errorf("%s %s: %s", c.Hop, c.Operation, text)
		}
	}
	t.Logf("%d hops: %s", len(seen), slices.Sorted(maps.Keys(seen)))
	if len(seen) < 8 {
		t.Errorf("only %d hops are recorded", len(seen))
	}
}

// lost lists the facts of a verdict that an answer does not have.
func lost(got Diagnosis, want result.Result) (out []string) {
	check := func(what string, same bool) {
		if !same {
			out = append(out, what)
		}
	}
	near := func(a, b float64) bool { return rounded(a) == rounded(b) }
	check("verdict", got.Verdict == want.Verdict && got.Why == want.Why)
	check("entry", got.Entry.Service == want.Entry.Service && got.Entry.Operation == want.Entry.Operation)
	check("times", near(got.BaselineMS, want.BaselineMS) && near(got.NowMS, want.NowMS) && near(got.AddedMS, want.AddedMS))
	check("requests", got.Requests == want.Requests)
	check("findings", len(got.Findings) == len(want.Findings))
	for i := range min(len(got.Findings), len(want.Findings)) {
		g, w := got.Findings[i], want.Findings[i]
		check(fmt.Sprintf("place of finding %d", i), g.Hop == w.Hop && g.Operation == w.Operation && g.Kind == w.Kind && g.Target == w.Target)
		check(fmt.Sprintf("times of finding %d", i), near(g.AddedMS, w.AddedMS) && near(g.Share, w.Share))
		check(fmt.Sprintf("cause of finding %d", i), (g.Cause == nil) == (w.Cause == nil) && (g.Cause == nil || g.Cause.Kind == w.Cause.Kind && g.Cause.Why == w.Cause.Why && g.Cause.Sure == w.Cause.Sure))
		check(fmt.Sprintf("trace of finding %d", i), (len(g.Exemplars) > 0) == (len(w.Exemplars) > 0))
	}
	return out
}

// measured diagnoses requests of about n spans together, of which three hops became
// slower.
func measured(n int) (result.Result, int) {
	const bare = 24 // spans of a request without internal ones
	requests := max(min(n/bare/2, 40), 2)
	more := max(n/requests/2-bare, 0) / len(storefront.services())
	return simulated(uint64(n), requests, more, map[string]time.Duration{"payment": 200 * time.Millisecond, "pricing": 90 * time.Millisecond, "shipping": 150 * time.Millisecond})
}
