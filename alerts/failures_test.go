package alerts

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tenhop/tenhop/signals"
)

// TestFailuresAreOneRule compares what the rules select by error_type with
// package signals. Rules that count successes select an empty one.
func TestFailuresAreOneRule(t *testing.T) {
	failed := selector(t, "{"+signals.Failed()+"}")
	var judged []string
	for file, g := range groups(t) {
		for _, group := range g.Groups {
			for _, r := range group.Rules {
				for _, s := range selectors(t, r.Expr) {
					got := errorType(s)
					if got == "" || got == `error_type=""` {
						continue
					}
					if got != errorType(failed) {
						t.Errorf("%s: %s%s selects %s, package signals says %s", file, r.Record, r.Alert, got, errorType(failed))
					}
					if r.Record == "hop:errors:ratio1m" {
						judged = append(judged, strings.TrimSuffix(s.Name, "_count"))
					}
				}
			}
		}
	}
	slices.Sort(judged)
	want := signals.Served()
	slices.Sort(want)
	if !slices.Equal(judged, want) {
		t.Errorf("hop:errors:ratio1m counts failures of %v, want %v", judged, want)
	}
}

func errorType(s *parser.VectorSelector) string {
	for _, m := range s.LabelMatchers {
		if m.Name == "error_type" {
			return m.String()
		}
	}
	return ""
}

func selector(t *testing.T, expr string) *parser.VectorSelector {
	t.Helper()
	return selectors(t, expr)[0]
}

// selectors returns every vector selector of an expression.
func selectors(t *testing.T, expr string) []*parser.VectorSelector {
	t.Helper()
	root, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatalf("%v\n%s", err, expr)
	}
	var out []*parser.VectorSelector
	parser.Inspect(root, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			out = append(out, s)
		}
		return nil
	})
	return out
}
