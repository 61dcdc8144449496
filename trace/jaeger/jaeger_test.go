package jaeger_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/jaeger"
)

const one = `{"traceID":"ab01","spans":[
	{"traceID":"ab01","spanID":"1","operationName":"POST /pay","references":[],"startTime":1700000000123456,"duration":20000,
	 "tags":[{"key":"span.kind","type":"string","value":"server"},{"key":"error","type":"bool","value":true},{"key":"http.response.status_code","type":"int64","value":503},
	         {"key":"ratio","type":"float64","value":1.5},{"key":"otel.status_description","type":"string","value":"declined"},{"key":"w3c.tracestate","value":"vendor=1"},{"key":"none","value":null}],
	 "logs":[{"timestamp":1700000000124456,"fields":[{"key":"event","type":"string","value":"exception"},{"key":"exception.type","type":"string","value":"Declined"}]}],
	 "processID":"p1","warnings":null},
	{"traceID":"ab01","spanID":"2","operationName":"Charge","references":[
	   {"refType":"FOLLOWS_FROM","traceID":"ab01","spanID":"9"},{"refType":"CHILD_OF","traceID":"cd","spanID":"8"},{"refType":"CHILD_OF","traceID":"ab01","spanID":"1"},{"refType":"CHILD_OF","traceID":"ab01","spanID":"7"}],
	 "startTime":"1700000000123456","duration":"5","tags":[{"key":"span.kind","value":"CLIENT"},{"key":"otel.status_code","value":"ERROR"}],"processID":"p2"}],
	"processes":{"p1":{"serviceName":"gateway","tags":[{"key":"service.version","type":"string","value":"1.2"}]},"p2":{"serviceName":"payment","tags":[]}}}`

func want() trace.Trace {
	at := time.UnixMicro(1_700_000_000_123_456)
	return trace.Trace{ID: "ab01", Spans: []trace.Span{
		{ID: "1", Service: "gateway", Operation: "POST /pay", Kind: trace.Server, Start: at, Duration: 20 * time.Millisecond,
			Failed: true, StatusMessage: "declined", TraceState: "vendor=1",
			Attributes: map[string]string{"span.kind": "server", "error": "true", "http.response.status_code": "503", "ratio": "1.5",
				"otel.status_description": "declined", "w3c.tracestate": "vendor=1", "none": ""},
			Resource: map[string]string{"service.version": "1.2"},
			Events:   []trace.Event{{Time: at.Add(time.Millisecond), Name: "exception", Attributes: map[string]string{"exception.type": "Declined"}}}},
		{ID: "2", Parent: "1", Service: "payment", Operation: "Charge", Kind: trace.Client, Start: at, Duration: 5 * time.Microsecond, Failed: true,
			Attributes: map[string]string{"span.kind": "CLIENT", "otel.status_code": "ERROR"}, Resource: map[string]string{}},
	}}
}

func TestUnmarshal(t *testing.T) {
	for name, body := range map[string]string{
		"answer":    `{"data":[` + one + `],"total":0,"limit":0,"offset":0,"errors":null}`,
		"array":     `[` + one + `]`,
		"one trace": one,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := jaeger.Unmarshal([]byte(body))
			if err != nil || !reflect.DeepEqual(got, []trace.Trace{want()}) {
				t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want())
			}
		})
	}
	none, err := jaeger.Unmarshal([]byte(`{"data":[]}`))
	if err != nil || len(none) != 0 {
		t.Errorf("%+v, %v; want nothing", none, err)
	}
}

// Elasticsearch documents hold their process, and tags as a list or as fields.
func TestSpan(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456)
	for name, body := range map[string]string{
		"tags": `{"traceID":"ab01","spanID":"2","operationName":"Charge","references":[{"refType":"CHILD_OF","traceID":"ab01","spanID":"1"}],"startTime":1700000000123456,
			"startTimeMillis":1700000000123,"duration":5,"tags":[{"key":"span.kind","value":"client"},{"key":"http.route","value":"/pay"}],"process":{"serviceName":"payment","tags":[{"key":"service.version","value":"1"}]}}`,
		"fields": `{"traceID":"ab01","spanID":"2","parentSpanID":"1","operationName":"Charge","startTime":1700000000123456,"duration":5,
			"tags":[],"tag":{"span@kind":"client","http@route":"/pay"},"process":{"serviceName":"payment","tag":{"service@version":"1"}}}`,
	} {
		want := trace.Span{ID: "2", Parent: "1", Service: "payment", Operation: "Charge", Kind: trace.Client, Start: at, Duration: 5 * time.Microsecond,
			Attributes: map[string]string{"span.kind": "client", "http.route": "/pay"}, Resource: map[string]string{"service.version": "1"}}
		id, got, err := new(jaeger.Decoder).Span([]byte(body))
		if err != nil || id != "ab01" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s, %v\ngot  %+v\nwant %+v", name, id, err, got, want)
		}
	}
}

// A trace that cannot be read costs itself, an answer cut short what follows.
func TestDamage(t *testing.T) {
	three := `{"data":[` + one + `,` + strings.ReplaceAll(one, "ab01", "ab02") + `,` + strings.ReplaceAll(one, "ab01", "ab03") + `]}`
	for _, c := range []struct {
		name, body, says string
		traces           int
	}{
		{"cut short", three[:strings.LastIndex(three, "processes")], "unexpected EOF", 2},
		{"a bad time", strings.Replace(three, `"startTime":1700000000123456`, `"startTime":"noon"`, 1), "trace ab01: span 1: startTime is not a number", 2},
		{"bad times", strings.ReplaceAll(three, `"duration":20000`, `"duration":{}`), "trace ab01: span 1: duration is not a number; 2 more traces cannot be read", 0},
		{"an error of Jaeger's", `{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}`, "404 trace not found", 0},
		{"text", `traces`, "invalid character 't'", 0},
		{"spans of another type", `[{"traceID":"a","spans":5}]`, "invalid character '5'", 0},
	} {
		got, err := jaeger.Unmarshal([]byte(c.body))
		if err == nil || !strings.Contains(err.Error(), c.says) || len(got) != c.traces {
			t.Errorf("%s: %d traces, %v; want %d and %q", c.name, len(got), err, c.traces, c.says)
		}
	}
}

// Whatever Jaeger answers, it is read or refused.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(one))
	f.Add([]byte(`{"data":[{"traceID":"a","spans":[{"spanID":"1","references":[{"traceID":"a","spanID":"2"}]},{"spanID":"2","references":[{"traceID":"a","spanID":"1"}]}]}]}`))
	f.Add([]byte(`{"data":null,"errors":[{"code":404}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _ := jaeger.Unmarshal(b)
		for _, tr := range got {
			for _, s := range tr.Spans {
				if s.Duration < 0 || s.Attributes == nil {
					t.Errorf("%+v", s)
				}
			}
		}
	})
}

// A call, its callee and an event, as the query API answers them.
func TestAnswer(t *testing.T) {
	const answer = `{"data":[{"traceID":"t","spans":[
		{"spanID":"a","operationName":"GET","startTime":1000,"duration":50,"processID":"p1",
		 "tags":[{"key":"span.kind","value":"SERVER"},{"key":"error","value":true},{"key":"n","value":3}],
		 "logs":[{"timestamp":1010,"fields":[{"key":"event","value":"retry"},{"key":"n","value":1}]}]},
		{"spanID":"b","operationName":"x","startTime":1010,"duration":-5,"processID":"p1","references":[
		 {"refType":"FOLLOWS_FROM","traceID":"other","spanID":"z"},{"refType":"CHILD_OF","traceID":"t","spanID":"a"}]}],
		"processes":{"p1":{"serviceName":"shop","tags":[{"key":"host.name","value":"h"}]}}}]}`
	traces, err := jaeger.Unmarshal([]byte(answer))
	if err != nil || len(traces) != 1 || len(traces[0].Spans) != 2 {
		t.Fatalf("%+v, %v", traces, err)
	}
	a, b := traces[0].Spans[0], traces[0].Spans[1]
	if a.Kind != trace.Server || !a.Failed || a.Attributes["n"] != "3" || a.Attribute("host.name") != "h" ||
		a.Events[0].Name != "retry" || a.Events[0].Attributes["n"] != "1" || !a.Start.Equal(time.UnixMicro(1000)) {
		t.Errorf("a = %+v", a)
	}
	if b.Parent != "a" || b.Kind != "" || b.Failed || b.Duration != 0 {
		t.Errorf("b = %+v", b)
	}
}
