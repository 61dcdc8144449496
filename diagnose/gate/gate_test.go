package gate_test

import (
	"testing"

	"github.com/tenhop/tenhop/diagnose/gate"
	"github.com/tenhop/tenhop/diagnose/result"
)

func TestChecks(t *testing.T) {
	self := []result.Finding{{Hop: "store", Kind: result.KindSelf}}
	fails := []result.Finding{{Hop: "store", Kind: result.KindErrors}}
	grew := &result.Growth{Parts: []result.GrowthPart{{Hop: "store", Operation: "GET /a", Kind: result.KindSelf, Grew: true}, {Hop: "edge", Kind: result.KindLink, Target: "store"}}}
	same := &result.Growth{Parts: []result.GrowthPart{{Hop: "edge", Operation: "GET /a"}}}
	for _, c := range []struct {
		what   string
		r      result.Result
		on     []string
		failed int
	}{
		{"a spike", result.Result{Verdict: result.Spike, Findings: self}, []string{gate.Spike}, 1},
		{"a spike is no failure", result.Result{Verdict: result.Spike, Findings: self}, []string{gate.Errors}, 0},
		{"a spike with failures", result.Result{Verdict: result.Spike, Findings: self, Errors: &result.Failing{}}, []string{gate.Errors}, 1},
		{"failures", result.Result{Verdict: result.Errors, Findings: fails, AddedMS: 3}, []string{gate.Errors}, 1},
		{"failures are no spike", result.Result{Verdict: result.Errors, Findings: fails, AddedMS: 3}, []string{gate.Spike}, 0},
		{"failures that take longer", result.Result{Verdict: result.Errors, Findings: append(self, fails...), AddedMS: 30}, []string{gate.Spike, gate.Errors}, 2},
		{"nothing", result.Result{Verdict: result.None}, gate.All()[:2], 0},
		{"not sure", result.Result{Verdict: result.Unsure, Why: "why"}, []string{gate.Spike, gate.Errors}, 0},
		{"not sure, asked for", result.Result{Verdict: result.Unsure, Why: "why"}, []string{gate.Spike, gate.Unsure}, 1},
		{"not sure, asked for alone", result.Result{Verdict: result.Unsure, Why: "why"}, []string{gate.Unsure}, 1},
		{"growth beside an unsure verdict", result.Result{Verdict: result.Unsure, Growth: same}, []string{gate.Growth, gate.Unsure}, 0},
		{"growth", result.Result{Verdict: result.None, Growth: grew}, []string{gate.Growth}, 1},
		{"growth is not known", result.Result{Growth: &result.Growth{Why: "few"}}, []string{gate.Growth}, 0},
		{"growth is not known, asked for", result.Result{Growth: &result.Growth{Why: "few"}}, []string{gate.Growth, gate.Unsure}, 1},
		{"no versions", result.Result{}, []string{gate.Growth, gate.Unsure}, 1},
	} {
		checks := gate.Checks(c.r, c.on, "the verdict")
		if got := len(gate.Found(checks)); got != c.failed {
			t.Errorf("%s: %d checks failed, want %d: %+v", c.what, got, c.failed, checks)
		}
		for _, k := range checks {
			if k.Text == "" {
				t.Errorf("%s: no text in %+v", c.what, k)
			}
		}
	}
}

// Names of parts say what is known of the other end.
func TestName(t *testing.T) {
	for want, p := range map[string]result.GrowthPart{
		"store GET /a":                           {Hop: "store", Operation: "GET /a", Kind: result.KindSelf},
		"store (operations of one version only)": {Hop: "store", Kind: result.KindSelf},
		"store GET /a, waiting for db":           {Hop: "store", Operation: "GET /a", Kind: result.KindDependency, Target: "db"},
		"store GET /a, waiting":                  {Hop: "store", Operation: "GET /a", Kind: result.KindDependency},
		"store GET /a, link from edge":           {Hop: "store", Operation: "GET /a", Kind: result.KindLink, Target: "edge"},
		"store GET /a, link from its caller":     {Hop: "store", Operation: "GET /a", Kind: result.KindLink},
	} {
		if got := gate.Name(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
