package promserver

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// maxSubqueryPoints bounds a subquery. Prometheus allocates its points before it compares
// them with the maximum number of samples.
const maxSubqueryPoints = 50_000

// boundedEngine refuses queries that exceed the bounds of subqueries and of labels. The
// texts of the queries have been checked: see checkText.
type boundedEngine struct {
	promql.QueryEngine
	parser parser.Parser
	step   time.Duration // of a subquery that names none
}

// NewInstantQuery implements promql.QueryEngine.
func (e boundedEngine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	q, err := e.bound(q, qs, 0, 1)
	if err != nil {
		return nil, err
	}
	return e.QueryEngine.NewInstantQuery(ctx, q, opts, qs, ts)
}

// NewRangeQuery implements promql.QueryEngine.
func (e boundedEngine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	over := end.Sub(start)
	q, err := e.bound(q, qs, over, float64(over)/float64(interval)+1)
	if err != nil {
		return nil, err
	}
	return e.QueryEngine.NewRangeQuery(ctx, q, opts, qs, start, end, interval)
}

// bound returns the storage that a query reads from, or an error if the query exceeds a
// bound. The query is evaluated over a time, at a number of points.
func (e boundedEngine) bound(q storage.Queryable, qs string, over time.Duration, points float64) (storage.Queryable, error) {
	expr, err := e.parser.ParseExpr(qs)
	if err != nil {
		return nil, err
	}
	w := walker{step: e.step}
	found, err := w.walk(expr, float64(over), points)
	if err != nil {
		return nil, err
	}
	if found.made == (size{}) {
		return q, nil
	}
	budget := &labelBudget{made: found.made, series: w.calls}
	if err := budget.check(); err != nil {
		return nil, err
	}
	return measuredQueryable{q, budget}, nil
}

// walker finds out what the evaluation of an expression needs.
type walker struct {
	step  time.Duration // of a subquery that names none
	calls int           // of functions: each may return a series that is not stored
}

// walk bounds the labels of an expression that is evaluated over a time, in nanoseconds, at
// a number of points. It returns an error if a subquery has too many points.
func (w *walker) walk(node parser.Node, over, points float64) (composed, error) {
	if n, ok := node.(*parser.SubqueryExpr); ok {
		step := n.Step
		if step <= 0 {
			step = w.step
		}
		over += float64(n.Range)
		if points = over / float64(step); points > maxSubqueryPoints {
			return composed{}, fmt.Errorf("a subquery has %.0f points, more than %d; use a larger step or a shorter range", points, maxSubqueryPoints)
		}
	}
	all := composed{longest: size{stored: 1}, series: 1}
	for child := range parser.ChildrenIter(node) {
		found, err := w.walk(child, over, points)
		if err != nil {
			return composed{}, err
		}
		all = all.or(found)
	}
	switch n := node.(type) {
	case *parser.Call:
		w.calls++
		label := composedLabel(n, all.longest)
		all.longest = all.longest.max(label)
		all.made = all.made.plus(label.times(all.series))
	case *parser.BinaryExpr:
		if n.VectorMatching != nil { // group_left and group_right copy labels
			all.made = all.made.plus(all.longest.times(float64(len(n.VectorMatching.Include)) * all.series))
		}
	case *parser.AggregateExpr:
		if n.Op == parser.COUNT_VALUES {
			if name := text(n.Param); len(name) > maxLabelName {
				return composed{}, fmt.Errorf("the label of count_values has %d bytes, more than %d", len(name), maxLabelName)
			}
			all.series = max(all.series, points) // one for each value
		}
	}
	return all, nil
}
