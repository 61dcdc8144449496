package compare

import (
	"math"
	"testing"
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
		got := Nodes(CallGraph{"site", calls, .0003}, base, c.around, 2)
		first := ""
		if len(got) > 0 {
			first = got[0].Service
		}
		if first != c.want {
			t.Errorf("%s: ranked %+v, want %q first", c.name, got, c.want)
		}
	}
}
