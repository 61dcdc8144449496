package file

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/trace"
)

type read struct {
	traceID string
	span    trace.Span
}

func readWith(t *testing.T, text string, limit int) ([]read, Stats, error) {
	t.Helper()
	var out []read
	stats, err := decode(t.Context(), strings.NewReader(text), "f", limit, func(id string, s trace.Span) { out = append(out, read{id, s}) })
	return out, stats, err
}

// many returns head, n items with their number and commas between them, and tail.
func many(head, item, tail string, n int) string {
	items := make([]string, n)
	for i := range items {
		items[i] = strings.ReplaceAll(item, "#", fmt.Sprintf("%04x", i+1))
	}
	return head + strings.Join(items, ",\n ") + tail
}

const (
	aResource = `"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a [{\"b"}}]}`
	aSpan     = `{"traceId":"000000000000000000000000#0001","spanId":"000000000000#","name":"]}","startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000100000000"}`
	aJaeger   = `{"traceID":"1","spanID":"#","operationName":"a","references":[{"refType":"CHILD_OF","traceID":"1","spanID":"9"}],"startTime":1700000000000000,"duration":5,"processID":"p1"}`
)

// TestDivided compares lists that are read in parts with the same lists read whole.
func TestDivided(t *testing.T) {
	const spans = 3000
	for name, c := range map[string]struct {
		text  string
		whole bool // cannot be divided, so the limit holds
	}{
		"resources":            {many(`{"resourceSpans":[`, `{`+aResource+`,"scopeSpans":[{"spans":[`+aSpan+`]}]}`, `]}`, spans), false},
		"spans of one":         {many(`{"resourceSpans":[{`+aResource+`,"scopeSpans":[{"scope":{"name":"x"},"spans":[`, aSpan, `]}]}]}`, spans), false},
		"snake case":           {many(`{"resource_spans":[{`+aResource+`,"scope_spans":[{"spans":[`, aSpan, `]}]}]}`, spans), false},
		"scopes":               {many(`{"resourceSpans":[{`+aResource+`,"scopeSpans":[`, `{"spans":[`+aSpan+`]}`, `]}]}`, spans), false},
		"resource behind":      {many(`{"resourceSpans":[{"scopeSpans":[{"spans":[`, aSpan, `]}],`+aResource+`}]}`, spans), true},
		"second resource":      {many(`{"resourceSpans":[{"scopeSpans":[]},{`+aResource+`,"scopeSpans":[{"spans":[`, aSpan, `]}]},{"scopeSpans":[]}]}`, spans), false},
		"Tempo":                {many(`{"batches":[{`+aResource+`,"scopeSpans":[{"spans":[`, aSpan, `]}]}]}`, spans), false},
		"Tempo's second API":   {many(`{"trace":{"resourceSpans":[`, `{`+aResource+`,"scopeSpans":[{"spans":[`+aSpan+`]}]}`, `]}}`, spans), false},
		"traces of Jaeger":     {many(`{"data":[`, `{"traceID":"1","spans":[`+aJaeger+`],"processes":{"p1":{"serviceName":"a"}}}`, `],"total":0}`, spans), false},
		"a trace of Jaeger":    {many(`{"data":[{"traceID":"1","spans":[`, aJaeger, `],"processes":{"p1":{"serviceName":"a"}}}]}`, spans), true},
		"processes before":     {many(`{"data":[{"traceID":"1","processes":{"p1":{"serviceName":"a"}},"spans":[`, aJaeger, `]}]}`, spans), false},
		"hits":                 {many(`{"took":1,"hits":{"total":{"value":5},"hits":[`, `{"_id":"1","_source":`+aJaeger+`}`, `]}}`, spans), false},
		"attributes of a span": {many(`{"resourceSpans":[{`+aResource+`,"scopeSpans":[{"spans":[{"spanId":"0000000000000001","startTimeUnixNano":"1","attributes":[`, `{"key":"#","value":{"intValue":1}}`, `]}]}]}]}`, 9*spans), true},
	} {
		t.Run(name, func(t *testing.T) {
			want, stats, err := readWith(t, c.text, maxRecord)
			if err != nil || (len(want) != spans && !c.whole) || stats.Bad > 0 {
				t.Fatalf("%d spans, %+v, %v", len(want), stats, err)
			}
			for _, limit := range []int{70_000, 100_001, 200_011} {
				got, stats, err := readWith(t, c.text, limit)
				switch {
				case c.whole:
					if err == nil || !strings.Contains(err.Error(), "a record of more than") {
						t.Errorf("limit %d: error %v", limit, err)
					}
				case err != nil || !reflect.DeepEqual(got, want):
					t.Errorf("limit %d: %d spans of %d, %+v, %v", limit, len(got), len(want), stats, err)
				}
			}
		})
	}
}

// TestDividedLines expects the line of a bad record that is read in parts.
func TestDividedLines(t *testing.T) {
	text := many(`{"resourceSpans":[`+"\n ", `{`+aResource+`,"scopeSpans":[{"spans":[`+aSpan+`]}]}`, `]}`, 3000)
	text = strings.Replace(text, `"spanId":"0000000000000100"`, `"spanId":01x`, 1)
	for _, limit := range []int{70_000, maxRecord} {
		_, _, err := readWith(t, text, limit)
		t.Log(limit, err)
		if err == nil || !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("error %v", err)
		}
	}
}

// FuzzDivided compares what is read in parts with the same read whole.
func FuzzDivided(f *testing.F) {
	f.Add(many(`{"resourceSpans":[{`+aResource+`,"scopeSpans":[{"spans":[`, aSpan, `]}]}]}`, 1000))
	f.Add(many(`{"data":[{"traceID":"1","processes":{"p1":{"serviceName":"a"}},"spans":[`, aJaeger, `]}]}`, 1000))
	f.Fuzz(func(t *testing.T, text string) {
		want, _, err := readWith(t, text, maxRecord)
		if err != nil {
			return
		}
		got, _, err := readWith(t, text, 70_000)
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%d spans in parts, %d as a whole", len(got), len(want))
		}
	})
}
