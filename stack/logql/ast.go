// Package logql parses and evaluates the subset of LogQL that dashboards use:
//
//	{service_name="payment", level=~"warn|error"}   stream selectors
//	|= "timeout"  != ""  |~ "re"  !~ "re"           line filters
//	| json  | logfmt                                parsers
//	| status >= 500 and duration_ms > 100           label filters
//	| line_format "{{.message}}"                    a new line from labels
//	| keep a, b  | drop a                           labels of the result
//	rate(…[1m])  count_over_time  bytes_over_time   metric queries,
//	sum_over_time(… | unwrap duration_ms [1m])      also avg, min, max of a label
//	sum by (service_name) (…)                       and their aggregation
//
// Anything else is an error that names the unsupported element.
package logql

import (
	"fmt"
	"regexp"
	"time"
)

// Query is a parsed query. Exactly one field is set.
type Query struct {
	Log    *LogQuery
	Metric *MetricQuery
}

// LogQuery is a query for log lines.
type LogQuery struct {
	Matchers []Matcher
	Stages   []Stage

	traceID string
}

// MatchOp is a comparison of a label's value.
type MatchOp string

// The operators of a stream selector.
const (
	Equal    MatchOp = "="
	NotEqual MatchOp = "!="
	Match    MatchOp = "=~"
	NotMatch MatchOp = "!~"
)

// Matcher is a condition on a label of a stream. A missing label has the empty
// value.
type Matcher struct {
	Name  string
	Op    MatchOp
	Value string
	re    *regexp.Regexp
}

// NewMatcher returns a matcher. It fails if op is Match or NotMatch and value is
// not a regular expression. Expressions match the complete value.
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

// Matches reports whether a value meets the condition.
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

// MetricQuery is an aggregation of log lines over time, optionally aggregated over
// series.
type MetricQuery struct {
	Log      LogQuery
	Function string // rate, count_over_time, …
	Unwrap   string // label whose value is aggregated; empty for lines
	Range    time.Duration

	Aggregate string // sum, avg, min, max, count, topk, bottomk; empty for none
	Top       int    // number of series of topk and bottomk
	By        []string
	Without   bool // By lists the labels to remove
	Grouped   bool // the query has by or without

	Factor float64 // factor of the result
}

// Selective reports whether the query has a matcher that excludes the empty value.
// Loki refuses other queries.
func (q LogQuery) Selective() bool {
	for _, m := range q.Matchers {
		if !m.Matches("") {
			return true
		}
	}
	return false
}

// TraceID returns the trace ID that each line of the result contains, or an empty
// string. It is set by a line filter |= "<32 hex digits>" or a label filter
// trace_id="…". A reader can skip blocks that do not contain it.
func (q LogQuery) TraceID() string { return q.traceID }
