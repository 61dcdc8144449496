package logql

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

const maxQueryBytes = 16 << 10

type parser struct {
	tokens  []token
	pos     int
	traceID string // contained in each line of the result; empty for none
	rewrote bool   // after line_format, filters apply to the new line
}

// Parse parses a query. Errors contain the position and the unexpected token.
func Parse(s string) (Query, error) {
	if len(s) > maxQueryBytes {
		return Query{}, fmt.Errorf("query is longer than %d bytes", maxQueryBytes)
	}
	tokens, err := lex(s)
	if err != nil {
		return Query{}, err
	}
	p := &parser{tokens: tokens}
	var q Query
	if p.is(symbol, "{") {
		log, err := p.logQuery()
		if err != nil {
			return Query{}, err
		}
		q.Log = &log
	} else {
		metric, err := p.metricQuery()
		if err != nil {
			return Query{}, err
		}
		q.Metric = &metric
	}
	if t := p.peek(); t.kind != end {
		return Query{}, p.unexpected(t, "the end")
	}
	log := q.Log
	if log == nil {
		log = &q.Metric.Log
	}
	if !log.Selective() {
		return Query{}, errors.New("queries require at least one regexp or equality matcher that does not have an empty-compatible value")
	}
	return q, nil
}

// ParseSelector parses a stream selector.
func ParseSelector(s string) ([]Matcher, error) {
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	m, err := p.selector()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != end {
		return nil, p.unexpected(t, "the end")
	}
	return m, nil
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != end {
		p.pos++
	}
	return t
}

func (p *parser) is(k kind, text string) bool {
	t := p.peek()
	return t.kind == k && t.text == text
}

func (p *parser) accept(k kind, text string) bool {
	if !p.is(k, text) {
		return false
	}
	p.pos++
	return true
}

func (p *parser) expect(k kind, text string) error {
	if !p.accept(k, text) {
		return p.unexpected(p.peek(), strconv.Quote(text))
	}
	return nil
}

func (p *parser) word(what string) (string, error) {
	t := p.next()
	if t.kind != word {
		return "", p.unexpected(t, what)
	}
	return t.text, nil
}

func (p *parser) unexpected(t token, want string) error {
	return fmt.Errorf("parse error at %d: unexpected %s, expecting %s", t.at, t, want)
}

func (p *parser) logQuery() (LogQuery, error) {
	m, err := p.selector()
	if err != nil {
		return LogQuery{}, err
	}
	stages, err := p.stages()
	return LogQuery{Matchers: m, Stages: stages, traceID: p.traceID}, err
}

func (p *parser) selector() ([]Matcher, error) {
	if err := p.expect(symbol, "{"); err != nil {
		return nil, err
	}
	var out []Matcher
	for !p.accept(symbol, "}") {
		if len(out) > 0 {
			if err := p.expect(symbol, ","); err != nil {
				return nil, err
			}
		}
		name, err := p.word("a label name")
		if err != nil {
			return nil, err
		}
		op := p.next()
		if op.kind != symbol || !slices.Contains([]string{"=", "!=", "=~", "!~"}, op.text) {
			return nil, p.unexpected(op, `"=", "!=", "=~" or "!~"`)
		}
		value := p.next()
		if value.kind != text {
			return nil, p.unexpected(value, "a string")
		}
		m, err := NewMatcher(name, MatchOp(op.text), value.text)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

var (
	lineFunctions  = []string{"rate", "count_over_time", "bytes_over_time", "bytes_rate"}
	valueFunctions = []string{"sum_over_time", "avg_over_time", "min_over_time", "max_over_time"}
	aggregations   = []string{"sum", "avg", "min", "max", "count", "topk", "bottomk"}
)

func (p *parser) metricQuery() (MetricQuery, error) {
	name, err := p.word("a selector or a function")
	if err != nil {
		return MetricQuery{}, err
	}
	var q MetricQuery
	if slices.Contains(aggregations, name) {
		q, err = p.aggregation(name)
	} else {
		q, err = p.overTime(name)
	}
	if err != nil {
		return q, err
	}
	q.Factor, err = p.factor()
	return q, err
}

// factor parses the scalars that the result is multiplied or divided by, as in
// … * 60.
func (p *parser) factor() (float64, error) {
	factor := 1.0
	for {
		op := p.peek()
		if op.kind != symbol || op.text != "*" && op.text != "/" {
			return factor, nil
		}
		p.next()
		t := p.next()
		v, err := strconv.ParseFloat(t.text, 64)
		if t.kind != number || err != nil {
			return 0, p.unexpected(t, "a number")
		}
		if op.text == "/" {
			v = 1 / v
		}
		factor *= v
	}
}

func (p *parser) aggregation(name string) (MetricQuery, error) {
	by, without, grouped, err := p.grouping()
	if err != nil {
		return MetricQuery{}, err
	}
	if err := p.expect(symbol, "("); err != nil {
		return MetricQuery{}, err
	}
	top := 0
	if name == "topk" || name == "bottomk" {
		t := p.next()
		if top, err = strconv.Atoi(t.text); t.kind != number || err != nil || top < 1 {
			return MetricQuery{}, p.unexpected(t, "a number of series")
		}
		if err := p.expect(symbol, ","); err != nil {
			return MetricQuery{}, err
		}
	}
	function, err := p.word("a function")
	if err != nil {
		return MetricQuery{}, err
	}
	if slices.Contains(aggregations, function) {
		return MetricQuery{}, fmt.Errorf("%s of %s: aggregations within aggregations are not supported here", name, function)
	}
	q, err := p.overTime(function)
	if err != nil {
		return q, err
	}
	if err := p.expect(symbol, ")"); err != nil {
		return q, err
	}
	if !grouped {
		if by, without, grouped, err = p.grouping(); err != nil {
			return q, err
		}
	}
	q.Aggregate, q.Top, q.By, q.Without, q.Grouped = name, top, by, without, grouped
	return q, nil
}

func (p *parser) grouping() (names []string, without, grouped bool, err error) {
	switch {
	case p.accept(word, "by"):
	case p.accept(word, "without"):
		without = true
	default:
		return nil, false, false, nil
	}
	if err := p.expect(symbol, "("); err != nil {
		return nil, false, false, err
	}
	for !p.accept(symbol, ")") {
		if len(names) > 0 {
			if err := p.expect(symbol, ","); err != nil {
				return nil, false, false, err
			}
		}
		name, err := p.word("a label name")
		if err != nil {
			return nil, false, false, err
		}
		names = append(names, name)
	}
	return names, without, true, nil
}

func (p *parser) overTime(function string) (MetricQuery, error) {
	q := MetricQuery{Function: function}
	ofValue := slices.Contains(valueFunctions, function)
	if !ofValue && !slices.Contains(lineFunctions, function) {
		return q, fmt.Errorf("function %q is not supported here; supported are %v, %v and %v", function, lineFunctions, valueFunctions, aggregations)
	}
	if err := p.expect(symbol, "("); err != nil {
		return q, err
	}
	log, err := p.logQuery()
	if err != nil {
		return q, err
	}
	if p.accept(symbol, "|") {
		if err := p.expect(word, "unwrap"); err != nil {
			return q, err
		}
		if q.Unwrap, err = p.word("a label name"); err != nil {
			return q, err
		}
	}
	if ofValue && q.Unwrap == "" {
		return q, fmt.Errorf("%s needs | unwrap with the label whose value it takes", function)
	}
	if !ofValue && q.Unwrap != "" && function != "rate" {
		return q, fmt.Errorf("%s counts lines and takes no unwrap", function)
	}
	if q.Range, err = p.rangeOf(); err != nil {
		return q, err
	}
	if len(log.Stages) == 0 {
		// Loki also accepts {…}[5m] |= "x".
		if log.Stages, err = p.stages(); err != nil {
			return q, err
		}
		log.traceID = p.traceID
	}
	q.Log = log
	return q, p.expect(symbol, ")")
}

func (p *parser) rangeOf() (time.Duration, error) {
	if err := p.expect(symbol, "["); err != nil {
		return 0, err
	}
	t := p.next()
	d, err := model.ParseDuration(t.text)
	if t.kind != number || err != nil || d <= 0 {
		return 0, p.unexpected(t, "a duration such as 5m")
	}
	return time.Duration(d), p.expect(symbol, "]")
}
