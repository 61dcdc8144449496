package promserver

import (
	"context"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// The bounds of the labels of a query. Prometheus has none: label_replace and label_join
// compose labels of any length for each series, which the maximum number of samples does
// not count.
const (
	maxLabelBytes = 32 << 20 // of all labels that a query composes
	maxLabelName  = 200      // bytes, of the label that count_values names
)

// size is a bound of the size of labels in bytes, which depends on the labels that are stored.
type size struct {
	text   float64 // what the query's text adds
	stored float64 // times the longest stored label
}

func (s size) plus(o size) size       { return size{s.text + o.text, s.stored + o.stored} }
func (s size) times(n float64) size   { return size{s.text * n, s.stored * n} }
func (s size) max(o size) size        { return size{max(s.text, o.text), max(s.stored, o.stored)} }
func (s size) bytes(long int) float64 { return s.text + s.stored*float64(long) }

// composed bounds the labels of an expression.
type composed struct {
	longest size    // of a label
	made    size    // of all labels that are composed for a series
	series  float64 // in the result, for each stored series
}

// or returns the bounds of series that are those of one or of the other.
func (c composed) or(o composed) composed {
	return composed{c.longest.max(o.longest), c.made.max(o.made), max(c.series, o.series)}
}

// composedLabel returns the size of the label that a call composes from labels of a size,
// including its name.
func composedLabel(c *parser.Call, from size) size {
	switch c.Func.Name {
	case "label_join": // the series, the label, a separator, and the labels to join
		joined := float64(len(c.Args) - 3)
		return from.times(joined).plus(size{text: float64(len(text(c.Args[1]))) + joined*float64(len(text(c.Args[2])))})
	case "label_replace": // the series, the label, its value with $ for groups, a label, and a regular expression
		value := text(c.Args[2])
		return from.times(float64(strings.Count(value, "$"))).plus(size{text: float64(len(text(c.Args[1])) + len(value))})
	}
	return size{}
}

// text returns the value of a string literal, which may be in parentheses.
func text(e parser.Expr) string {
	for {
		switch n := e.(type) {
		case *parser.ParenExpr:
			e = n.Expr
		case *parser.StringLiteral:
			return n.Val
		default:
			return ""
		}
	}
}

// labelBudget bounds the labels that a query composes, given the series that it has read.
type labelBudget struct {
	made    size // for each series
	series  int
	longest int // bytes, of the labels of the series
}

func (b *labelBudget) check() error {
	if float64(b.series)*b.made.bytes(b.longest) > maxLabelBytes {
		return fmt.Errorf("label_replace, label_join or group_left would compose labels of more than %d MiB in all", maxLabelBytes>>20)
	}
	return nil
}

func (b *labelBudget) add(ls labels.Labels) error {
	b.series++
	ls.Range(func(l labels.Label) { b.longest = max(b.longest, len(l.Value)) })
	return b.check()
}

// measuredQueryable adds the series that a query reads to its budget. The query fails when
// the budget is exceeded, before it composes labels.
type measuredQueryable struct {
	storage.Queryable
	budget *labelBudget
}

// Querier implements storage.Queryable.
func (m measuredQueryable) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := m.Queryable.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return measuredQuerier{q, m.budget}, nil
}

type measuredQuerier struct {
	storage.Querier
	budget *labelBudget
}

// Select implements storage.Querier.
func (m measuredQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	return &measuredSeries{SeriesSet: m.Querier.Select(ctx, sorted, hints, matchers...), budget: m.budget}
}

type measuredSeries struct {
	storage.SeriesSet
	budget *labelBudget
	err    error
}

// Next implements storage.SeriesSet.
func (m *measuredSeries) Next() bool {
	if m.err != nil || !m.SeriesSet.Next() {
		return false
	}
	m.err = m.budget.add(m.At().Labels())
	return m.err == nil
}

// Err implements storage.SeriesSet.
func (m *measuredSeries) Err() error {
	if m.err != nil {
		return m.err
	}
	return m.SeriesSet.Err()
}
