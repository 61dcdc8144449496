package links_test

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/links"
	"github.com/tenhop/tenhop/diagnose/result"
)

// TestAssignMarks marks the links that slowed together, and no other link.
func TestAssignMarks(t *testing.T) {
	link := func(caller, callee string) links.Link { return links.Link{Caller: caller, Callee: callee} }
	finding := func(hop, target string) result.Finding {
		return result.Finding{Hop: hop, Target: target, Kind: result.KindLink, AddedMS: 200, Share: .4}
	}
	hub := map[links.Link]float64{link("hub", "a"): .2, link("hub", "b"): .2, link("edge", "hub"): 0}
	fan := result.Finding{Hop: "hub", Target: "a", Kind: result.KindConcurrency, AddedMS: 200, Share: .4}
	for _, c := range []struct {
		why              string
		found            []result.Finding
		growth           map[links.Link]float64
		target           string // of the finding of a link that is looked at
		together, either bool
	}{
		{"all links of a hop", []result.Finding{finding("a", "hub"), finding("b", "hub")}, hub, "a", true, false},
		{"one link", []result.Finding{finding("a", "hub")}, map[links.Link]float64{link("hub", "a"): .2, link("hub", "b"): 0}, "hub", false, true},
		{"lost concurrency explains the wait", []result.Finding{finding("a", "hub"), fan}, hub, "hub", false, false},
		{"the caller blocks its hop", []result.Finding{finding("hub", "caller")}, map[links.Link]float64{}, "caller", false, false},
	} {
		seen := false
		for _, f := range links.Assign(c.found, c.growth) {
			if f.Kind != result.KindLink || f.Target != c.target {
				continue
			}
			if seen = true; f.Together != c.together || f.EitherEnd != c.either {
				t.Errorf("%s: together %v, either end %v", c.why, f.Together, f.EitherEnd)
			}
		}
		if !seen {
			t.Errorf("%s: there is no finding of a link with %s", c.why, c.target)
		}
	}
}
