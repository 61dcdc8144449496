package promserver

import (
	"slices"
	"sync/atomic"

	"github.com/prometheus/prometheus/promql/parser"
)

// ruleParser parses queries. The expressions of rules, which are evaluated every few seconds,
// are parsed once and copied then: the engine modifies the expression that it evaluates.
type ruleParser struct {
	parser.Parser
	parsed atomic.Pointer[map[string]parser.Expr]
}

// load replaces the expressions that are parsed once.
func (p *ruleParser) load(texts []string) {
	parsed := map[string]parser.Expr{}
	for _, text := range texts {
		if e, err := p.Parser.ParseExpr(text); err == nil {
			parsed[text] = e
		}
	}
	p.parsed.Store(&parsed)
}

// ParseExpr implements parser.Parser.
func (p *ruleParser) ParseExpr(text string) (parser.Expr, error) {
	if parsed := p.parsed.Load(); parsed != nil {
		if e, ok := (*parsed)[text]; ok {
			if c, ok := copyExpr(e); ok {
				return c, nil
			}
		}
	}
	return p.Parser.ParseExpr(text)
}

// copyExpr returns a copy of an expression that has been parsed and not evaluated. The
// matchers of labels are shared, since their regular expressions are expensive. It reports
// whether it knows all parts of the expression.
func copyExpr(e parser.Expr) (parser.Expr, bool) {
	c := copier{known: true}
	return c.copy(e), c.known
}

type copier struct{ known bool }

func (c *copier) copy(e parser.Expr) parser.Expr {
	switch n := e.(type) {
	case nil:
		return nil
	case *parser.AggregateExpr:
		out := *n
		out.Expr, out.Param, out.Grouping = c.copy(n.Expr), c.copy(n.Param), slices.Clone(n.Grouping)
		return &out
	case *parser.BinaryExpr:
		out := *n
		out.LHS, out.RHS = c.copy(n.LHS), c.copy(n.RHS)
		if n.VectorMatching != nil {
			m := *n.VectorMatching
			m.MatchingLabels, m.Include = slices.Clone(m.MatchingLabels), slices.Clone(m.Include)
			out.VectorMatching = &m
		}
		return &out
	case *parser.Call:
		out := *n
		out.Args = make(parser.Expressions, len(n.Args))
		for i, arg := range n.Args {
			out.Args[i] = c.copy(arg)
		}
		return &out
	case *parser.MatrixSelector:
		out := *n
		out.VectorSelector = c.copy(n.VectorSelector)
		c.known = c.known && n.RangeExpr == nil
		return &out
	case *parser.SubqueryExpr:
		out := *n
		out.Expr = c.copy(n.Expr)
		c.known = c.known && n.RangeExpr == nil && n.OriginalOffsetExpr == nil && n.StepExpr == nil
		return &out
	case *parser.VectorSelector:
		out := *n
		out.LabelMatchers = slices.Clone(n.LabelMatchers)
		c.known = c.known && n.OriginalOffsetExpr == nil
		return &out
	case *parser.ParenExpr:
		out := *n
		out.Expr = c.copy(n.Expr)
		return &out
	case *parser.UnaryExpr:
		out := *n
		out.Expr = c.copy(n.Expr)
		return &out
	case *parser.NumberLiteral:
		out := *n
		return &out
	case *parser.StringLiteral:
		out := *n
		return &out
	}
	c.known = false
	return e
}
