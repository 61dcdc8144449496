package promserver

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
)

// guarded evaluates the expressions of rules. Most rules have no result most of the time:
// alerts that are not active, and rules for scrape intervals that no target has. The result
// of an operator such as "and" is empty if an operand is, so one inexpensive operand may tell
// it, and the others are not evaluated.
type guarded struct {
	query  rules.QueryFunc
	guards atomic.Pointer[map[string]*guard] // by expression
}

// load replaces the expressions with those of rule groups. It returns all queries that their
// evaluation makes.
func (g *guarded) load(groups []*rules.Group) (queries []string) {
	guards := map[string]*guard{}
	for _, group := range groups {
		for _, rule := range group.Rules() {
			text := rule.Query().String()
			queries = append(queries, text)
			if guards[text] != nil {
				continue
			}
			if operands := guardOperands(rule.Query()); len(operands) > 0 {
				guards[text] = &guard{operands: operands}
				queries = append(queries, operands...)
			}
		}
	}
	g.guards.Store(&guards)
	return queries
}

// Query is a rules.QueryFunc.
func (g *guarded) Query(ctx context.Context, text string, t time.Time) (promql.Vector, error) {
	guard := g.guardOf(text)
	if guard == nil {
		return g.query(ctx, text, t)
	}
	if operand := guard.operand(); operand != "" {
		v, err := g.query(ctx, operand, t)
		empty := err == nil && len(v) == 0
		guard.learn(empty)
		if empty {
			return nil, nil
		}
	}
	return g.query(ctx, text, t)
}

func (g *guarded) guardOf(text string) *guard {
	if guards := g.guards.Load(); guards != nil {
		return (*guards)[text]
	}
	return nil
}

// guard chooses the operand of an expression that is evaluated first.
type guard struct {
	operands []string

	mu      sync.Mutex
	current int // operand that was empty last, or was not tried yet
	rest    int // evaluations before an operand is tried again
}

// guardRest is the number of evaluations of an expression without a guard, after none of its
// operands was empty.
const guardRest = 100

// operand returns the operand to evaluate first, or "" for none.
func (g *guard) operand() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rest > 0 {
		g.rest--
		return ""
	}
	return g.operands[g.current]
}

// learn notes whether the operand was empty.
func (g *guard) learn(empty bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if empty {
		return
	}
	if g.current++; g.current == len(g.operands) {
		g.current, g.rest = 0, guardRest
	}
}

// maxGuards bounds the operands that are tried.
const maxGuards = 4

// guardOperands returns the operands of an expression that are empty only if its result is,
// and that take at most half of its time. The least expensive ones are first. An operand
// that selects no series, such as vector(1), is never empty.
func guardOperands(e parser.Expr) []string {
	type operand struct {
		text string
		cost int
	}
	var found []operand
	whole := queryCost(e)
	for _, o := range necessary(e) {
		if cost := queryCost(o); cost > 0 && 2*cost <= whole {
			found = append(found, operand{o.String(), cost})
		}
	}
	slices.SortStableFunc(found, func(a, b operand) int { return cmp.Compare(a.cost, b.cost) })
	var texts []string
	for _, o := range found {
		if !slices.Contains(texts, o.text) && len(texts) < maxGuards {
			texts = append(texts, o.text)
		}
	}
	return texts
}

// necessary returns the parts of an expression each of which makes its result empty by being
// empty, without those that consist of others.
func necessary(e parser.Expr) []parser.Expr {
	if e.Type() != parser.ValueTypeVector {
		return nil
	}
	switch n := e.(type) {
	case *parser.ParenExpr:
		return necessary(n.Expr)
	case *parser.AggregateExpr:
		if parts := necessary(n.Expr); !isWhole(parts, n.Expr) {
			return parts
		}
	case *parser.BinaryExpr:
		left, right := n.LHS.Type() == parser.ValueTypeVector, n.RHS.Type() == parser.ValueTypeVector
		switch {
		case left && right && n.Op == parser.LUNLESS:
			return necessary(n.LHS)
		case left && right && (n.Op == parser.LOR || filled(n.VectorMatching)):
		case left && right:
			return append(necessary(n.LHS), necessary(n.RHS)...)
		default: // a comparison or calculation with a scalar
			side := n.LHS
			if right {
				side = n.RHS
			}
			if parts := necessary(side); !isWhole(parts, side) {
				return parts
			}
		}
	}
	return []parser.Expr{e}
}

// isWhole reports whether an expression is its only part.
func isWhole(parts []parser.Expr, e parser.Expr) bool {
	for {
		in, ok := e.(*parser.ParenExpr)
		if !ok {
			return len(parts) == 1 && parts[0] == e
		}
		e = in.Expr
	}
}

// filled reports whether an operator has a result for elements of one side alone.
func filled(m *parser.VectorMatching) bool {
	return m != nil && (m.FillValues.LHS != nil || m.FillValues.RHS != nil)
}

// samplesPerSelector is the time, in seconds, of the samples that a selector of a range reads
// in the time that a selector takes.
const samplesPerSelector = 15

// queryCost estimates the time that an expression takes, in selectors.
func queryCost(node parser.Node) int {
	cost := 0
	switch n := node.(type) {
	case *parser.VectorSelector:
		cost = 1
	case *parser.MatrixSelector:
		cost = int(n.Range.Seconds()) / samplesPerSelector
	case *parser.SubqueryExpr:
		cost = 1000
	}
	for child := range parser.ChildrenIter(node) {
		cost += queryCost(child)
	}
	return cost
}
