package logql

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"
)

const sample1 = `{"level":"error","service":"payment","trace_id":"0123456789abcdef0123456789abcdef","status":503,"duration_ms":512.5,"took":"1.5s","http":{"method":"POST"},"ok":true,"tags":["a"],"message":"card \"x\" declined"}`

func runOn(t *testing.T, query, line string) (*Entry, bool) {
	t.Helper()
	q, err := Parse(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	e := &Entry{Line: line, Labels: map[string]string{"service_name": "payment", "level": "error"}}
	return e, q.Log.Run(e)
}

func TestPipelines(t *testing.T) {
	for query, want := range map[string]bool{
		`{service_name="payment"}`:                                                true,
		`{service_name="payment"} |= "declined"`:                                  true,
		`{service_name="payment"} |= "accepted"`:                                  false,
		`{service_name="payment"} |= "accepted" or "declined"`:                    true,
		`{service_name="payment"} != "declined"`:                                  false,
		"{service_name=\"payment\"} |~ `dec.*ed`":                                 true,
		"{service_name=\"payment\"} !~ `dec.*ed`":                                 false,
		`{service_name="payment"} | json | status >= 500`:                         true,
		`{service_name="payment"} | json | status = 503`:                          true,
		`{service_name="payment"} | json | status < 500`:                          false,
		`{service_name="payment"} | json | duration_ms > 500 and status = 503`:    true,
		`{service_name="payment"} | json | duration_ms > 600 or status = 503`:     true,
		`{service_name="payment"} | json | (status = 1 or status = 2), ok="true"`: false,
		`{service_name="payment"} | json | took > 1s`:                             true,
		`{service_name="payment"} | json | took > 2s`:                             false,
		`{service_name="payment"} | json | http_method="POST"`:                    true,
		`{service_name="payment"} | json | missing=""`:                            true,
		`{service_name="payment"} | json | message=~"card.*"`:                     true,
		`{service_name="payment"} | status > 1`:                                   false, // not parsed, so not there
	} {
		if _, got := runOn(t, query, sample1); got != want {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func TestFieldsBecomeLabels(t *testing.T) {
	e, _ := runOn(t, `{service_name="payment"} | json | keep service, level, status, http_method, level_extracted`, strings.Replace(sample1, `"level":"error"`, `"level":"warn"`, 1))
	want := map[string]string{"service": "payment", "level": "error", "level_extracted": "warn", "status": "503", "http_method": "POST"}
	if !maps.Equal(e.Labels, want) {
		t.Errorf("%v, want %v", e.Labels, want)
	}
	e, _ = runOn(t, `{service_name="payment"} | json`, "no JSON")
	if e.Labels["__error__"] != "JSONParserErr" {
		t.Errorf("%v", e.Labels)
	}
	e, _ = runOn(t, `{service_name="payment"} | logfmt`, `a=1 msg="two words" b=c`)
	if e.Labels["a"] != "1" || e.Labels["msg"] != "two words" || e.Labels["b"] != "c" {
		t.Errorf("%v", e.Labels)
	}
	e, _ = runOn(t, `{service_name="payment"} | json | line_format "{{.status}} {{.message}}"`, sample1)
	if e.Line != `503 card "x" declined` {
		t.Errorf("%q", e.Line)
	}
}

// A format that repeats could run without end or fill the memory.
func TestFormatsDoNotRepeat(t *testing.T) {
	for _, format := range []string{
		`{{range 1000000000}}{{end}}`,
		`{{if .status}}{{range 1000000000}}x{{end}}{{end}}`,
		`{{with .status}}{{else}}{{range 9}}{{end}}{{end}}`,
		`{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`,
	} {
		if _, err := Parse(`{a="b"} | line_format ` + strconv.Quote(format)); err == nil || !strings.Contains(err.Error(), "not supported here") {
			t.Errorf("%s: %v", format, err)
		}
	}
	if _, err := Parse(`{a="b"} | line_format "` + strings.Repeat("x", maxTemplateBytes+1) + `"`); err == nil {
		t.Error("a long template is accepted")
	}
}

// No function of a format fills the memory, whether its result is long or not.
func TestFormatsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for why, format := range map[string]string{
		"the line":                  strings.Repeat(`{{.long}}`, 20),
		"a wide verb":               `{{printf "%900000d" 1}}`,
		"many wide verbs":           `{{len (printf "` + strings.Repeat("%999999d", 200) + `"` + strings.Repeat(" 1", 200) + `)}}`,
		"a width from an argument":  `{{len (printf "%*d" 999999 1)}}`,
		"a precise verb":            `{{len (printf "%.999999f" 1.0)}}`,
		"an argument used often":    `{{len (printf "` + strings.Repeat("%[1]s", 20) + `" .long)}}`,
		"arguments side by side":    `{{len (print` + strings.Repeat(" .long", 20) + `)}}`,
		"a string that is doubled":  `{{$a := print .long .long}}` + strings.Repeat(`{{$a = print $a $a}}`, 40),
		"an escaped one":            `{{len (urlquery` + strings.Repeat(" .long", 20) + `)}}`,
		"all labels, several times": `{{len (println` + strings.Repeat(" .", 20) + `)}}`,
	} {
		e, _ := runOn(t, `{service_name="payment"} | json | line_format `+strconv.Quote(format), `{"long":"`+long+`"}`)
		if e.Labels["__error__"] != "TemplateFormatErr" {
			t.Errorf("%s: a line of %d bytes, %v", why, len(e.Line), e.Labels["__error__"])
		}
	}
	e, _ := runOn(t, `{service_name="payment"} | json | line_format `+strconv.Quote(`{{printf "%-8s|%5.1f%%|%03d" .long 99.5 7}} {{print .long 1}}`), `{"long":"short"}`)
	if e.Line != "short   | 99.5%|007 short1" {
		t.Errorf("%q, %v", e.Line, e.Labels)
	}
}

func TestTraceIDOfAQuery(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for query, want := range map[string]string{
		`{a="b"} |= "` + id + `"`:                              id,
		`{a="b"} | json | trace_id="` + id + `"`:               id,
		`{a="b"} | json | trace_id="` + id + `" or status="1"`: "", // other lines match, too
		`{a="b"} |= "` + id + `" or "x"`:                       "",
		`{a="b"} != "` + id + `"`:                              "",
		`{a="b"} | line_format "` + id + `" |= "` + id + `"`:   "", // not in the file's line
		`count_over_time({a="b"} |= "` + id + `" | json [5m])`: id,
		`sum by (level) (rate({a="b"} [5m] |= "` + id + `" ))`: id,
		`{a="b"} |= "short"`:                                   "",
	} {
		q, err := Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		log := q.Log
		if log == nil {
			log = &q.Metric.Log
		}
		if got := log.TraceID(); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for query, want := range map[string]string{
		``:                                     "expecting a selector",
		`{`:                                    "expecting a label name",
		`{a}`:                                  `expecting "="`,
		`{a="b"`:                               `expecting ","`,
		`{a="b}`:                               "string does not end",
		`{}`:                                   "at least one",
		`{a=~".*"}`:                            "at least one",
		`{a=~"("}`:                             "missing closing",
		`{a="b"} | pattern "<x>"`:              "not supported here",
		`{a="b"} | json | status ~ 5`:          "unexpected '~'",
		`rate({a="b"})`:                        `expecting "["`,
		`rate({a="b"}[5x])`:                    "a duration",
		`quantile_over_time(0.5, {a="b"}[5m])`: "not supported here",
		`sum(sum(rate({a="b"}[5m])))`:          "not supported here",
		`sum_over_time({a="b"}[5m])`:           "needs | unwrap",
		`count_over_time({a="b"}| unwrap c [5m])`: "takes no unwrap",
		`{a="b"} extra`:                      "expecting the end",
		strings.Repeat("x", maxQueryBytes+1): "longer than",
	} {
		if _, err := Parse(query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", query, err, want)
		}
	}
}

func evaluate(t *testing.T, query string) map[string]float64 {
	t.Helper()
	q, err := Parse(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	at := time.Unix(1000, 0)
	v := NewEvaluator(*q.Metric)
	for i, service := range []string{"a", "a", "a", "b", "b", "c"} {
		e := &Entry{Line: "12345", Labels: map[string]string{"service_name": service, "n": string(rune('1' + i))}}
		if q.Metric.Unwrap == "" {
			delete(e.Labels, "n")
		}
		if err := v.Add(at.Add(-time.Duration(i)*time.Second), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Add(at.Add(-10*time.Second), &Entry{Line: "too old", Labels: map[string]string{"service_name": "a", "n": "9"}}); err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	series, err := v.Result(t.Context(), at, at, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range series {
		out[s.Labels["service_name"]] = s.Points[0].Value
	}
	return out
}

func TestMetricQueries(t *testing.T) {
	for query, want := range map[string]map[string]float64{
		`count_over_time({x="y"}[10s])`:                                   {"a": 3, "b": 2, "c": 1},
		`rate({x="y"}[10s])`:                                              {"a": .3, "b": .2, "c": .1},
		`bytes_over_time({x="y"}[10s])`:                                   {"a": 15, "b": 10, "c": 5},
		`sum(count_over_time({x="y"}[10s]))`:                              {"": 6},
		`sum by (service_name) (count_over_time({x="y"}[10s]))`:           {"a": 3, "b": 2, "c": 1},
		`sum(count_over_time({x="y"}[10s])) without (service_name)`:       {"": 6},
		`topk(1, count_over_time({x="y"}[10s]))`:                          {"a": 3},
		`bottomk(1, count_over_time({x="y"}[10s]))`:                       {"c": 1},
		`max(count_over_time({x="y"}[10s]))`:                              {"": 3},
		`avg(count_over_time({x="y"}[10s]))`:                              {"": 2},
		`count(count_over_time({x="y"}[10s]))`:                            {"": 3},
		`sum(count_over_time({x="y"}[10s])) * 60 / 2`:                     {"": 180},
		`sum by (service_name) (sum_over_time({x="y"} | unwrap n [10s]))`: {"a": 6, "b": 9, "c": 6},
		`max_over_time({x="y"} | unwrap n [10s])`:                         {"a": 3, "b": 5, "c": 6},
	} {
		got := evaluate(t, query)
		for k, v := range got {
			got[k] = float64(int(v*1000+.5)) / 1000
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`sum by (level) (rate({service_name="payment"} |= "x" | json | status >= 500 [5m])) * 60`, sample1)
	f.Add(`{a=~"b|c"} | logfmt | line_format "{{.x}}"`, `a=1 b="c`)
	f.Fuzz(func(t *testing.T, query, line string) {
		q, err := Parse(query)
		if err != nil {
			return
		}
		log := q.Log
		if log == nil {
			log = &q.Metric.Log
		}
		log.Run(&Entry{Line: line, Labels: map[string]string{"service_name": "a"}})
	})
}

// expiring is a context that ends when it was asked often enough: in the middle
// of an evaluation, whatever the machine's speed.
type expiring struct {
	context.Context
	left int
}

func (c *expiring) Err() error {
	if c.left--; c.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestMetricQueryIsBounded: neither the time nor the memory of a query grows
// without end with its range.
func TestMetricQueryIsBounded(t *testing.T) {
	q, err := Parse(`count_over_time({x="y"}[1h])`)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(100_000, 0)
	filled := func(series int) (*Evaluator, error) {
		v := NewEvaluator(*q.Metric)
		for i := range series {
			if err := v.Add(at, &Entry{Labels: map[string]string{"trace_id": strconv.Itoa(i)}}); err != nil {
				return nil, err
			}
		}
		return v, nil
	}
	if _, err := filled(MaxSeries + 1); err == nil || !strings.Contains(err.Error(), "maximum of series (500) reached for a single query") {
		t.Errorf("a series for each line: %v", err)
	}
	v, err := filled(MaxSeries)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Result(&expiring{t.Context(), 100}, at, at.Add(time.Hour-1), time.Second); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the time is up: %v", err)
	}
	if _, err := v.Result(t.Context(), at, at.Add(time.Hour-1), time.Second); err == nil || !strings.Contains(err.Error(), "more than 1000000 points") {
		t.Errorf("%d series of an hour of seconds: %v", MaxSeries, err)
	}
}
