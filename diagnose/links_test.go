package diagnose_test

import (
	"fmt"
	"testing"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// diagnoses returns the diagnosis of the same requests by each kind of evidence.
func diagnoses(all []trace.Trace, split int) map[string]result.Result {
	requests, two := sample.New(), sample.New()
	base, now := compare.NewProfile(), compare.NewProfile()
	for i, t := range all {
		requests.Add(t)
		two.Add(t)
		if i < split {
			base.Add(t, nil)
		} else {
			now.Add(t, nil)
		}
		if i == split-1 {
			two.EndBaseline()
		}
	}
	baseline, _ := two.Join()
	c := compare.Profiles(base, now)
	return map[string]result.Result{
		"metrics": diagnose.Diagnose(diagnose.Evidence{Metrics: metricsOf(all)}, diagnose.Options{}).Result(),
		"traces":  diagnose.Diagnose(diagnose.Evidence{Sample: requests}, diagnose.Options{}).Result(),
		"two windows": diagnose.Diagnose(diagnose.Evidence{Sample: two, Comparison: &c},
			diagnose.Options{BaselineFrom: baseline.From, BaselineTo: baseline.To}).Result(),
	}
}

// Links of one service slow in one direction or in both, or a single link slows, each
// by 200 ms, in random topologies. The first finding must name the right end, or say that
// nothing tells the ends apart.
func TestEndsOfLinks(t *testing.T) {
	const topologies = 12
	right, sure, asked := map[string]int{}, map[string]int{}, 0
	for seed := range uint64(topologies) {
		for _, situation := range []string{"outgoing", "incoming", "pair", "around"} {
			f := newTopology(seed)
			reached := f.reached(0)
			hit := reached[f.rng.IntN(len(reached))]
			x := delays{link: map[edge]float64{}}
			end := -1
			for a, to := range f.callees {
				for _, b := range to {
					switch l := (edge{a, b}); {
					case situation == "outgoing" && a == hit[0], situation == "around" && (a == hit[1] || b == hit[1]),
						situation == "incoming" && b == hit[1], situation == "pair" && l == hit:
						x.link[l] = 200
					}
				}
			}
			switch situation {
			case "outgoing":
				end = hit[0]
			case "incoming", "around":
				end = hit[1]
			}
			asked++
			for way, r := range diagnoses(f.traces(x)) {
				if why := wrongEnd(f, r, hit, end); why != "" {
					t.Errorf("topology %d, %s %s->%s, from %s: %s", seed, situation, f.names[hit[0]], f.names[hit[1]], way, why)
					continue
				}
				right[way]++
				if !r.Findings[0].EitherEnd {
					sure[way+" "+situation]++
				}
			}
		}
	}
	t.Logf("right of %d: %v; sure, of %d each: %v", asked, right, topologies, sure)
}

// wrongEnd returns what is wrong about the first finding, or "". end is the service
// whose links slowed, or -1 if only hit did.
func wrongEnd(f *topology, r result.Result, hit edge, end int) string {
	if r.Verdict != result.Spike || len(r.Findings) == 0 {
		return fmt.Sprintf("%s: %s", r.Verdict, r.Why)
	}
	seen := map[[2]string]bool{}
	for _, x := range r.Findings {
		if x.Kind != result.KindLink {
			continue
		}
		pair := [2]string{min(x.Hop, x.Target), max(x.Hop, x.Target)}
		if seen[pair] {
			return fmt.Sprintf("%v is listed twice", pair)
		}
		if seen[pair] = true; x.AddedMS <= 0 || x.Share <= 0 {
			return fmt.Sprintf("%v has no numbers", pair)
		}
	}
	x := r.Findings[0]
	said := fmt.Sprintf("%s %s %s %+.0f ms, either %v: %s", x.Hop, x.Kind, x.Target, x.AddedMS, x.EitherEnd, x.Evidence)
	switch {
	case x.Kind != result.KindLink:
		return said
	case end < 0:
		if names := [2]string{f.names[hit[0]], f.names[hit[1]]}; !x.EitherEnd || names != [2]string{x.Hop, x.Target} && names != [2]string{x.Target, x.Hop} {
			return said
		}
	case x.Hop != f.names[end] && (!x.EitherEnd || x.Target != f.names[end]):
		return said
	}
	return ""
}
