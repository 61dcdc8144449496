package compare

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestNodes(t *testing.T) {
	nan := math.NaN()
	calls := [][2]string{{"site", "search"}, {"site", "pay"}, {"search", "table"}, {"pay", "table"}, {"report", "table"}, {"table", "site"}}
	quiet := func(level float64) Node {
		var n Node
		for i := range 40 {
			n.Level = append(n.Level, level*(1+.02*float64(i%3)))
			n.Requests = append(n.Requests, 100)
		}
		return n
	}
	base := map[string]Node{"site": quiet(.1), "search": quiet(.02), "pay": quiet(.05), "table": quiet(.005), "report": quiet(.3)}
	steps := func(v ...float64) Node { return Node{Level: v, Requests: []float64{100, 100, 100, 100, 100}} }
	for _, c := range []struct {
		name, want string
		around     map[string]Node
	}{
		{"the deepest node that slowed, not its callers", "table", map[string]Node{
			"site": steps(.1, .1, .3, .3, .3), "search": steps(.02, .02, .12, .12, .12),
			"pay": steps(.05, .05, .15, .15, .15), "table": steps(.005, .005, .105, .105, .105)}},
		{"a node whose callee changed little", "pay", map[string]Node{
			"site": steps(.1, .1, .2, .2, .2), "search": steps(.02, .02, .02, .02, .02),
			"pay": steps(.05, .05, .15, .15, .15), "table": steps(.005, .005, .006, .006, .006)}},
		{"a level that had shifted long before the alarm", "pay", map[string]Node{
			"site": steps(.1, .1, .2, .2, .2), "search": steps(.9, .9, .9, .9, .9),
			"pay": steps(.05, .05, .15, .15, .15), "table": steps(.005, .005, .005, .005, .005)}},
		{"a slow node that the target does not call", "pay", map[string]Node{
			"site": steps(.1, .1, .2, .2, .2), "pay": steps(.05, .05, .15, .15, .15), "report": steps(.3, .3, 9, 9, 9)}},
		{"gaps and a short window", "pay", map[string]Node{"site": steps(.1, nan, .2), "pay": steps(nan, .05, .15), "table": steps(nan, nan, nan)}},
		{"nothing", "", map[string]Node{"site": steps(.1, .1, .1, .1, .1), "pay": steps(.05, .05, .05, .05, .05)}},
		{"no rows", "", map[string]Node{}},
	} {
		got := Nodes(CallGraph{Target: "site", Calls: calls, Resolution: .0003}, base, c.around, 2)
		first := ""
		if len(got) > 0 {
			first = got[0].Service
		}
		if first != c.want {
			t.Errorf("%s: ranked %+v, want %q first", c.name, got, c.want)
		}
	}
}

// Steps of a few seconds are compared by the minute, with gaps in counters, and give
// the same first suspect as steps of minutes.
func TestNodesShortSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 8))
	calls := [][2]string{{"edge", "left"}, {"edge", "right"}, {"left", "store"}, {"right", "store"}}
	level := map[string]float64{"edge": .1, "left": .03, "right": .04, "store": .01}
	right := 0
	const runs = 60
	for range runs {
		slow := []string{"left", "right", "store"}[rng.IntN(3)]
		series := func(steps, alarm int) map[string]Node {
			out := map[string]Node{}
			for _, name := range []string{"edge", "left", "right", "store"} {
				var n Node
				for i := range steps {
					v := level[name] * math.Exp(.5*rng.NormFloat64())
					if i >= alarm && (name == slow || name == "edge" || slow == "store" && name != "edge") {
						v += .1 * (.5 + rng.Float64())
					}
					requests := float64(20 + rng.IntN(20))
					if name == "edge" && i >= alarm && slow == "store" {
						v += .1
					}
					if name == "store" {
						requests *= 2
					}
					if rng.IntN(3) == 0 {
						requests = []float64{0, math.NaN()}[rng.IntN(2)]
					}
					n.Level, n.Requests = append(n.Level, v), append(n.Requests, requests)
				}
				out[name] = n
			}
			return out
		}
		g := CallGraph{Target: "edge", Calls: calls, Resolution: .0003, Step: 5 * time.Second}
		got := Nodes(g, series(360, 360), series(120, 60), 60)
		if len(got) > 0 && got[0].Service == slow {
			right++
		}
	}
	if right < runs*95/100 {
		t.Errorf("%d of %d right", right, runs)
	}
}

// Quantiles of callees are not added: a caller whose two callees both grew is no
// less suspect than with one, and the callee that grew most is first.
func TestNodesQuantiles(t *testing.T) {
	node := func(before, after float64) (base, around Node) {
		for i := range 20 {
			v := before * (1 + .01*float64(i%3))
			base.Level, base.Requests = append(base.Level, v), append(base.Requests, 10)
			if i >= 10 {
				v += after - before
			}
			around.Level, around.Requests = append(around.Level, v), append(around.Requests, 10)
		}
		return base, around
	}
	base, around := map[string]Node{}, map[string]Node{}
	base["edge"], around["edge"] = node(.2, .7)
	base["own"], around["own"] = node(.1, .5)
	base["a"], around["a"] = node(.05, .25)
	base["b"], around["b"] = node(.05, .25)
	g := CallGraph{Target: "edge", Calls: [][2]string{{"edge", "own"}, {"own", "a"}, {"own", "b"}}, Resolution: .0003, Step: time.Minute, Quantile: true}
	if got := Nodes(g, base, around, 10); len(got) < 3 || got[0].Score < .19 {
		t.Errorf("%+v, want three suspects of 0.2 s each", got)
	}
	g.Quantile = false
	if got := Nodes(g, base, around, 10); len(got) > 0 && got[0].Service == "own" {
		t.Errorf("%+v: means do add up", got)
	}
}
