package few_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/few"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

var origin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// span has its times in milliseconds since the origin.
func span(id, parent, service, operation string, kind trace.Kind, from, to float64) trace.Span {
	at := func(v float64) time.Duration { return time.Duration(v * float64(time.Millisecond)) }
	return trace.Span{ID: id, Parent: parent, Service: service, Operation: operation, Kind: kind,
		Start: origin.Add(at(from)), Duration: at(to - from), Attributes: map[string]string{}}
}

// request is a request of 100 ms plus what the statement takes longer than 10 ms: a
// desk calls a store, which queries a database.
func request(id string, query float64) trace.Trace {
	end := 90 + query
	db := span("e", "d", "store", "SELECT shelves", trace.Client, 50, 50+query)
	db.Attributes["db.system.name"] = "postgresql"
	return trace.Trace{ID: id, Spans: []trace.Span{
		span("a", "", "desk", "GET /shelf", trace.Server, 0, end),
		span("b", "a", "desk", "render", trace.Internal, 0, 10),
		span("c", "a", "desk", "GET", trace.Client, 30, end-10),
		span("d", "c", "store", "GET /books", trace.Server, 35, end-15),
		db,
	}}
}

func side(queries ...float64) (t few.Traces) {
	for i, q := range queries {
		t.Add(request(fmt.Sprintf("%032d", i), q))
	}
	return t
}

func total(parts []result.TimePart) (sum float64) {
	for _, p := range parts {
		sum += p.NowMS
	}
	return sum
}

func TestOne(t *testing.T) {
	r := result.Result{Verdict: result.None}
	few.Describe(&r, few.Traces{}, side(10), false, "")
	f := r.Few
	if r.Verdict != result.Unsure || f == nil || f.Compared != "" || r.NowMS != 100 || r.Entry.Service != "desk" {
		t.Fatalf("%+v, %+v", r, f)
	}
	if math.Abs(total(f.Parts)-100) > .01 {
		t.Errorf("the parts add up to %v ms: %+v", total(f.Parts), f.Parts)
	}
	want := map[string]float64{"self desk GET /shelf": 30, "self desk render": 10, "link store GET /books": 10,
		"self store GET /books": 40, "dependency store SELECT shelves": 10}
	for _, p := range f.Parts {
		if k := p.Kind + " " + p.Hop + " " + p.Operation; want[k] != p.NowMS || p.Share != p.NowMS/100 || p.AddedMS != 0 {
			t.Errorf("%+v", p)
		}
	}
	if len(f.Parts) != len(want) {
		t.Errorf("parts %+v", f.Parts)
	}
	gap := result.Gap{Hop: "store", Operation: "GET /books", Kind: "self", FromMS: 60, TookMS: 25, After: "SELECT shelves"}
	if len(f.Gaps) == 0 || f.Gaps[0] != gap {
		t.Errorf("gaps %+v", f.Gaps)
	}
	link := result.Gap{Hop: "store", Operation: "GET /books", Kind: "link", Target: "desk", FromMS: 30, TookMS: 5, Before: "GET /books"}
	found := false
	for _, g := range f.Gaps {
		found = found || g == link
	}
	if !found {
		t.Errorf("no gap of the link before its callee in %+v", f.Gaps)
	}
}

func TestCompared(t *testing.T) {
	many := make([]float64, 60)
	for i := range many {
		many[i] = 10
	}
	for _, c := range []struct {
		before, now   []float64
		compared      string
		beforeN, nowN int
	}{
		{[]float64{10}, []float64{60}, result.ComparedBefore, 1, 1},
		{[]float64{10, 10, 10}, []float64{60, 60}, result.ComparedBefore, 3, 2},
		{many, []float64{60}, result.ComparedBefore, 60, 1},
		{[]float64{10}, append([]float64{60}, many...), result.ComparedBefore, 1, 61},
		{nil, []float64{60, 10}, result.ComparedFaster, 1, 1},
		{nil, []float64{10, 160, 10, 160}, result.ComparedFaster, 2, 2},
		{nil, []float64{10, 10, 11}, "", 0, 3},
	} {
		r := result.Result{Verdict: result.None}
		few.Describe(&r, side(c.before...), side(c.now...), c.before != nil, "")
		f := r.Few
		if f == nil || r.Verdict != result.Unsure || r.Why == "" || f.Compared != c.compared || f.Requests != (result.Requests{Baseline: c.beforeN, Now: c.nowN}) {
			t.Errorf("%d and %d: %+v, %+v", len(c.before), len(c.now), r, f)
			continue
		}
		if p := f.Parts[0]; c.compared != "" && (p.Operation != "SELECT shelves" || p.Target != "postgresql" || p.AddedMS <= 0) {
			t.Errorf("%d and %d: the first part is %+v", len(c.before), len(c.now), p)
		}
	}
}

// What is many, or sure, is left to the diagnosis.
func TestEnough(t *testing.T) {
	ten := side(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	r := result.Result{Verdict: result.None}
	if few.Describe(&r, ten, ten, true, ""); r.Few != nil || r.Verdict != result.None {
		t.Errorf("%+v", r)
	}
	for _, verdict := range []string{result.Spike, result.Errors} {
		r := result.Result{Verdict: verdict}
		if few.Describe(&r, side(10), side(60), true, ""); r.Few != nil || r.Verdict != verdict {
			t.Errorf("%+v", r)
		}
	}
	r = result.Result{}
	if few.Describe(&r, few.Traces{}, side(10), false, "POST /other"); r.Few != nil {
		t.Errorf("an entry that no trace has: %+v", r.Few)
	}
}

// Of several entries the one of both sides is compared.
func TestEntries(t *testing.T) {
	now := side(60)
	now.Add(trace.Trace{ID: "other", Spans: []trace.Span{span("x", "", "desk", "GET /long", trace.Server, 0, 5000)}})
	r := result.Result{}
	few.Describe(&r, side(10), now, true, "")
	if r.Entry.Operation != "GET /shelf" || r.Few.OtherEntries != 1 {
		t.Errorf("%+v, %+v", r.Entry, r.Few)
	}
	other := few.Traces{}
	other.Add(trace.Trace{ID: "other", Spans: []trace.Span{span("x", "", "desk", "GET /long", trace.Server, 0, 5000)}})
	r = result.Result{}
	few.Describe(&r, other, side(60), true, "")
	if r.Entry.Operation != "GET /shelf" || r.Few.Compared != "" || r.Why == "" {
		t.Errorf("%+v, %+v", r, r.Few)
	}
}
