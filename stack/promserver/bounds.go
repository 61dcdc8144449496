package promserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// The bounds of an evaluation. Prometheus allocates the points of a subquery before it
// compares them with the maximum number of samples, and has no bound for the length of labels
// that a query composes.
const (
	maxSubqueryPoints = 50_000
	maxLabelGrowth    = 1_000
)

// boundedEngine refuses queries that exceed the bounds before they are evaluated. The texts of
// the queries have been checked: see checkText.
type boundedEngine struct {
	promql.QueryEngine
	parser parser.Parser
	step   time.Duration // of a subquery that names none
}

// NewInstantQuery implements promql.QueryEngine.
func (e boundedEngine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	if err := e.check(qs, 0); err != nil {
		return nil, err
	}
	return e.QueryEngine.NewInstantQuery(ctx, q, opts, qs, ts)
}

// NewRangeQuery implements promql.QueryEngine.
func (e boundedEngine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	if err := e.check(qs, end.Sub(start)); err != nil {
		return nil, err
	}
	return e.QueryEngine.NewRangeQuery(ctx, q, opts, qs, start, end, interval)
}

// check returns an error if a query over that time exceeds a bound.
func (e boundedEngine) check(qs string, over time.Duration) error {
	expr, err := e.parser.ParseExpr(qs)
	if err != nil {
		return err
	}
	growth := 1
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		if err != nil {
			return err
		}
		switch n := node.(type) {
		case *parser.SubqueryExpr:
			err = e.checkSubquery(n, path, over)
		case *parser.Call:
			if growth = min(growth*labelGrowth(n), maxLabelGrowth+1); growth > maxLabelGrowth {
				err = fmt.Errorf("label_replace and label_join together make labels more than %d times as long", maxLabelGrowth)
			}
		}
		return err
	})
	return err
}

// checkSubquery bounds the points of a subquery, which covers the time of all queries around
// it, too.
func (e boundedEngine) checkSubquery(n *parser.SubqueryExpr, path []parser.Node, over time.Duration) error {
	step := n.Step
	if step <= 0 {
		step = e.step
	}
	points := float64(over) + float64(n.Range)
	for _, around := range path {
		if s, ok := around.(*parser.SubqueryExpr); ok {
			points += float64(s.Range)
		}
	}
	if points /= float64(step); points > maxSubqueryPoints {
		return fmt.Errorf("a subquery has %.0f points, more than %d; use a larger step or a shorter range", points, maxSubqueryPoints)
	}
	return nil
}

// labelGrowth returns by how much a call can make a label longer, as a factor.
func labelGrowth(c *parser.Call) int {
	switch c.Func.Name {
	case "label_join":
		return max(len(c.Args)-3, 1)
	case "label_replace":
		if replacement, ok := c.Args[2].(*parser.StringLiteral); ok {
			return max(strings.Count(replacement.Val, "$"), 1)
		}
		return maxLabelGrowth + 1 // in parentheses
	}
	return 1
}
