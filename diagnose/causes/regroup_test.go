package causes

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Calls that are surely made more often come before the work that they make, and not before
// what is much slower beside them.
func TestRegroup(t *testing.T) {
	for _, c := range []struct {
		other float64 // milliseconds
		sure  bool
		known bool // why the other is slow
		first string
	}{
		{40, false, false, result.KindCalls},
		{48, false, false, result.KindSelf},
		{48, true, false, result.KindCalls},
		{48, true, true, result.KindSelf},
		{90, true, false, result.KindSelf},
	} {
		r := &result.Result{NowMS: 200, Findings: []result.Finding{
			{Hop: "points", Kind: result.KindSelf, AddedMS: c.other, Cause: &result.Cause{Kind: result.CauseGC, Sure: c.known}},
			{Hop: "price", Target: "list", Kind: result.KindCalls, AddedMS: 45, Cause: &result.Cause{Kind: result.CauseNPlusOne, Sure: c.sure}},
		}}
		if regroup(r); r.Findings[0].Kind != c.first || r.Findings[0].Rank != 1 {
			t.Errorf("+%v ms beside +45 ms, sure %v: %+v", c.other, c.sure, r.Findings)
		}
	}
}

// A rise that is spread over many findings is a spike once repeated calls have most of it.
func TestGather(t *testing.T) {
	for _, c := range []struct {
		share  float64
		sure   bool
		spread bool
		want   string
	}{
		{.8, true, true, result.Spike},
		{.8, false, true, result.Unsure},
		{.2, true, true, result.Unsure},
		{.8, true, false, result.Unsure}, // unsure for another reason
	} {
		r := &result.Result{Verdict: result.Unsure, Spread: c.spread, Findings: []result.Finding{
			{Hop: "price", Target: "list", Kind: result.KindCalls, Share: c.share, Cause: &result.Cause{Kind: result.CauseRetries, Sure: c.sure}}}}
		if gather(r); r.Verdict != c.want {
			t.Errorf("%+v: %s", c, r.Verdict)
		}
	}
}
