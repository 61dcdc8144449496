// Package logql parses and runs the part of Loki's query language that
// dashboards use:
//
//	{service_name="payment", level=~"warn|error"}   stream selectors
//	|= "timeout"  != ""  |~ "re"  !~ "re"           line filters
//	| json  | logfmt                                parsers
//	| status >= 500 and duration_ms > 100           label filters
//	| line_format "{{.message}}"                    a new line from labels
//	| keep a, b  | drop a                           labels of the answer
//	rate(…[1m])  count_over_time  bytes_over_time   metric queries,
//	sum_over_time(… | unwrap duration_ms [1m])      also avg, min, max of a label
//	sum by (service_name) (…)                       and their aggregation
//
// Anything else is an error that names what is not supported, never a wrong
// answer.
package logql

import (
	"fmt"
	"regexp"
	"time"
)

// Query is a parsed query: either of lines or of a metric.
type Query struct {
	Log    *LogQuery
	Metric *MetricQuery
}

// LogQuery selects lines.
type LogQuery struct {
	Matchers []Matcher
	Stages   []Stage

	traceID string
}

// MatchOp is how a label's value is compared.
type MatchOp string

// The comparisons of a stream selector.
const (
	Equal    MatchOp = "="
	NotEqual MatchOp = "!="
	Match    MatchOp = "=~"
	NotMatch MatchOp = "!~"
)

// Matcher is one condition on a stream's labels. A label that is not there
// counts as empty.
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string
	re    *regexp.Regexp
}

// NewMatcher returns an error when the pattern of a regular expression does not
// compile. Patterns match the whole value.
func NewMatcher(name string, op MatchOp, value string) (Matcher, error) {
	m := Matcher{Name: name, Op: op, Value: value}
	if op == Match || op == NotMatch {
		re, err := regexp.Compile("^(?s:" + value + ")$")
		if err != nil {
			return m, fmt.Errorf("label %s: %w", name, err)
		}
		m.re = re
	}
	return m, nil
}

// Matches reports whether a value fulfils the condition.
func (m Matcher) Matches(value string) bool {
	switch m.Op {
	case Equal:
		return value == m.Value
	case NotEqual:
		return value != m.Value
	case Match:
		return m.re.MatchString(value)
	default:
		return !m.re.MatchString(value)
	}
}

// MetricQuery is an aggregation over time, with at most one over series.
type MetricQuery struct {
	Log      LogQuery
	Function string // rate, count_over_time, …
	Unwrap   string // label whose value is aggregated; empty for lines
	Range    time.Duration

	Aggregate string // sum, avg, min, max, count, topk, bottomk; empty for none
	Top       int    // of topk and bottomk
	By        []string
	Without   bool // By are the labels to leave out
	Grouped   bool // by or without was written

	Factor float64 // the result is multiplied by it; 1 for none
}

// Selective reports whether the query has a matcher that leaves something out.
// Loki refuses a query without.
func (q LogQuery) Selective() bool {
	for _, m := range q.Matchers {
		if !m.Matches("") {
			return true
		}
	}
	return false
}

// TraceID returns the trace ID that every line of the answer must hold, if the
// query asks for one: as a line filter |= "<32 hex digits>" or as a label filter
// trace_id="…". It lets the reader skip what cannot hold it.
func (q LogQuery) TraceID() string { return q.traceID }
