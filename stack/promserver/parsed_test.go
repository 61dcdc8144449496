package promserver

import (
	"fmt"
	"io/fs"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tenhop/tenhop/alerts"
)

// ruleExprs returns the expressions of the built-in rules, as the engine is given them.
func ruleExprs(t *testing.T) []string {
	t.Helper()
	p := parser.NewParser(parser.Options{})
	files, err := fs.Glob(alerts.FS, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, file := range files {
		content, err := fs.ReadFile(alerts.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		groups, errs := rulefmt.Parse(content, false, model.UTF8Validation, p, slog.New(slog.DiscardHandler))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				e, err := p.ParseExpr(r.Expr)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, e.String())
			}
		}
	}
	return texts
}

// TestCopiesOfRules compares copies of expressions with expressions that are parsed again,
// before and after the engine has prepared other copies.
func TestCopiesOfRules(t *testing.T) {
	texts := append(ruleExprs(t), "topk(3, -a)", `count_values("x", a @ start() offset 1m)`, "max_over_time(a[5m:10s] @ end())", "time()")
	plain := parser.NewParser(parser.Options{})
	p := &ruleParser{Parser: plain}
	p.load(texts)
	for _, text := range texts {
		if _, ok := copyExpr((*p.parsed.Load())[text]); !ok {
			t.Errorf("%s is parsed each time", text)
		}
		for range 2 {
			got, err := p.ParseExpr(text)
			if err != nil {
				t.Fatal(err)
			}
			want, err := plain.ParseExpr(text)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() || !reflect.DeepEqual(shape(got), shape(want)) {
				t.Errorf("%s is copied as %s: %v, want %v", text, got, shape(got), shape(want))
			}
			if _, err := promql.PreprocessExpr(got, time.Now(), time.Now(), 0); err != nil {
				t.Fatal(err)
			}
			parser.Inspect(got, func(n parser.Node, _ []parser.Node) error { // as the engine does
				switch n := n.(type) {
				case *parser.VectorSelector:
					n.LabelMatchers[0] = nil
					n.Offset++
				case *parser.AggregateExpr:
					if len(n.Grouping) > 0 {
						n.Grouping[0] = "changed"
					}
				case *parser.BinaryExpr:
					if m := n.VectorMatching; m != nil && len(m.MatchingLabels) > 0 {
						m.MatchingLabels[0] = "changed"
					}
				}
				return nil
			})
		}
	}
	if _, err := p.ParseExpr("rate("); err == nil {
		t.Error("an expression that cannot be parsed has no error")
	}
}

// shape returns the parts of an expression with the fields that its text does not have.
func shape(e parser.Expr) []string {
	var out []string
	parser.Inspect(e, func(n parser.Node, path []parser.Node) error {
		if n != nil {
			out = append(out, fmt.Sprintf("%s%T %v %v", strings.Repeat(" ", len(path)), n, n, n.PositionRange()))
		}
		if s, ok := n.(*parser.VectorSelector); ok {
			out = append(out, fmt.Sprint(s.OriginalOffset, s.Offset, s.Timestamp == nil, s.StartOrEnd, s.Series == nil, s.UnexpandedSeriesSet == nil))
		}
		return nil
	})
	return out
}

// TestRulesAreParsedOnce bounds what it takes to prepare a rule with regular expressions.
func TestRulesAreParsedOnce(t *testing.T) {
	texts := ruleExprs(t)
	plain := parser.NewParser(parser.Options{})
	p := &ruleParser{Parser: plain}
	p.load(texts)
	allocations := func(p parser.Parser) float64 {
		return testing.AllocsPerRun(3, func() {
			for _, text := range texts {
				if _, err := p.ParseExpr(text); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if once, each := allocations(p), allocations(plain); once > each/2 {
		t.Errorf("%v allocations for %d rules, %v if each is parsed", once, len(texts), each)
	}
}
