package otlp_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/otlp"
)

// message holds two spans that use every field the model has.
func message() ptrace.Traces {
	td := ptrace.NewTraces()
	at := time.Unix(1_700_000_000, 123_456_789)
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "gateway")
	rs.Resource().Attributes().PutStr("service.version", "1.2")
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	s := spans.AppendEmpty()
	s.SetTraceID(pcommon.TraceID{0xab, 1})
	s.SetSpanID(pcommon.SpanID{0xfe, 1})
	s.SetName("POST /pay")
	s.SetKind(ptrace.SpanKindServer)
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(20 * time.Millisecond)))
	s.TraceState().FromRaw("vendor=1")
	s.Status().SetCode(ptrace.StatusCodeError)
	s.Status().SetMessage("card \"declined\"\n")
	a := s.Attributes()
	a.PutInt("http.response.status_code", 503)
	a.PutDouble("ratio", 1.5)
	a.PutDouble("large", 1e21)
	a.PutBool("retried", true)
	a.PutStr("text", "ünï <code> \u2028")
	a.PutEmptyBytes("bytes").FromRaw([]byte{1, 2, 3})
	l := a.PutEmptySlice("list")
	l.AppendEmpty().SetStr("a&b")
	l.AppendEmpty().SetInt(2)
	l.AppendEmpty().SetEmptyMap().PutBool("deep", false)
	a.PutEmptyMap("map").PutDouble("x", .25)
	a.PutEmpty("empty")
	e := s.Events().AppendEmpty()
	e.SetName("exception")
	e.SetTimestamp(pcommon.NewTimestampFromTime(at.Add(time.Millisecond)))
	e.Attributes().PutStr("exception.type", "Declined")
	s = spans.AppendEmpty()
	s.SetTraceID(pcommon.TraceID{0xab, 1})
	s.SetSpanID(pcommon.SpanID{2})
	s.SetParentSpanID(pcommon.SpanID{0xfe, 1})
	s.SetName("Charge")
	s.SetKind(ptrace.SpanKindClient)
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(at))
	return td
}

type found struct {
	ID   string
	Span trace.Span
}

func decoded(t *testing.T, b []byte, unmarshal func([]byte, func(string, trace.Span)) error) []found {
	t.Helper()
	var out []found
	if err := unmarshal(b, func(id string, s trace.Span) { out = append(out, found{id, s}) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestProtobuf(t *testing.T) {
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(message())
	if err != nil {
		t.Fatal(err)
	}
	got := decoded(t, b, otlp.Unmarshal)
	if len(got) != 2 {
		t.Fatalf("%d spans", len(got))
	}
	want := trace.Span{ID: "fe01000000000000", Service: "gateway", Operation: "POST /pay", Kind: trace.Server,
		Start: time.Unix(1_700_000_000, 123_456_789).UTC(), Duration: 20 * time.Millisecond,
		Failed: true, StatusMessage: "card \"declined\"\n", TraceState: "vendor=1",
		Attributes: map[string]string{"http.response.status_code": "503", "ratio": "1.5", "large": "1e+21", "retried": "true",
			"text": "ünï <code> \u2028", "bytes": "AQID", "list": `["a&b",2,{"deep":false}]`, "map": `{"x":0.25}`, "empty": ""},
		Resource: map[string]string{"service.name": "gateway", "service.version": "1.2"},
		Events: []trace.Event{{Time: time.Unix(1_700_000_000, 124_456_789).UTC(), Name: "exception",
			Attributes: map[string]string{"exception.type": "Declined"}}}}
	if got[0].ID != "ab010000000000000000000000000000" || !reflect.DeepEqual(got[0].Span, want) {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
	if s := got[1].Span; s.Parent != want.ID || s.Kind != trace.Client || s.Failed || s.Duration != 0 {
		t.Errorf("the second is %+v", s)
	}
	if reflect.ValueOf(got[0].Span.Resource).Pointer() != reflect.ValueOf(got[1].Span.Resource).Pointer() {
		t.Error("the spans of a resource do not share its attributes")
	}
}

var (
	upper = regexp.MustCompile(`[A-Z]`)
)

// rewrite changes every field name and every ID.
func rewrite(v any, name func(string) string, id func(string) string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			if s, ok := x.(string); ok && strings.HasSuffix(k, "Id") {
				x = id(s)
			}
			out[name(k)] = rewrite(x, name, id)
		}
		return out
	case []any:
		for i := range v {
			v[i] = rewrite(v[i], name, id)
		}
	}
	return v
}

// Whatever way a message is spelled, its spans are those of the protobuf.
func TestSpellings(t *testing.T) {
	pb, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(message())
	if err != nil {
		t.Fatal(err)
	}
	want := decoded(t, pb, otlp.Unmarshal)
	js, err := (&ptrace.JSONMarshaler{}).MarshalTraces(message())
	if err != nil {
		t.Fatal(err)
	}
	same := func(s string) string { return s }
	snake := func(s string) string {
		return upper.ReplaceAllStringFunc(s, func(c string) string { return "_" + strings.ToLower(c) })
	}
	b64 := func(encode func([]byte) string) func(string) string {
		return func(s string) string {
			b, err := hex.DecodeString(s)
			if err != nil {
				t.Fatal(err)
			}
			return encode(b)
		}
	}
	respelled := func(name, id func(string) string) string {
		var v any
		if err := json.Unmarshal(js, &v); err != nil {
			t.Fatal(err)
		}
		b, err := json.MarshalIndent(rewrite(v, name, id), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	numbers := regexp.MustCompile(`("(?:start|end)?[tT]imeUnixNano":|"intValue":)"(\d+)"`)
	kinds := strings.NewReplacer(`"kind":2`, `"kind":"SPAN_KIND_SERVER"`, `"kind":3`, `"kind":"SPAN_KIND_CLIENT"`, `"code":2`, `"code":"STATUS_CODE_ERROR"`)
	for name, text := range map[string]string{
		"specification": string(js),
		"snake case":    respelled(snake, same), // gogo and protojson with UseProtoNames
		"sorted keys":   respelled(same, same),
		"base64 IDs":    respelled(same, b64(base64.StdEncoding.EncodeToString)), // protojson, Tempo
		"base64url IDs": respelled(same, b64(base64.RawURLEncoding.EncodeToString)),
		"upper case":    respelled(same, strings.ToUpper),
		"X-Ray IDs": respelled(same, func(s string) string {
			if len(s) == 32 {
				return "1-" + s[:8] + "-" + s[8:]
			}
			return s
		}),
		"enums by name":           kinds.Replace(string(js)),
		"numbers":                 numbers.ReplaceAllString(string(js), "$1$2"),
		"instrumentation library": strings.ReplaceAll(string(js), "scopeSpans", "instrumentationLibrarySpans"),
		"resource last":           regexp.MustCompile(`\{("resource":\{.*?\}\]\}),("scopeSpans":.*?\}\])\}\]\}$`).ReplaceAllString(string(js), "{$2,$1}]}"),
		"unknown fields":          strings.ReplaceAll(string(js), `"name":`, `"flags":{"deep":[1,"]",{}]},"links":[{}],"name":`),
	} {
		t.Run(name, func(t *testing.T) {
			if name != "specification" && text == string(js) {
				t.Fatal("this is the specification's spelling")
			}
			got := decoded(t, []byte(text), otlp.UnmarshalJSON)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s\ngot  %+v\nwant %+v", text, got, want)
			}
		})
	}
}

func TestIDs(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"00000000000000000000000000000000", ""}, // zero is no ID
		{"00f067aa0ba902b7", "000000000000000000f067aa0ba902b7"},
		{"a", "!"},
		{"zz000000000000000000000000000001", "!"},
		{"1-zzzzzzzz-f2a4d27bdcf4bb99f4bea973", "!"},
		{"AAAAAAAAAAAAAAAAAAAA", "!"}, // base64 of 15 bytes
	} {
		body := fmt.Sprintf(`{"resourceSpans":[{"resource":{},"scopeSpans":[{"spans":[{"traceId":%q,"spanId":"0000000000000001"}]}]}]}`, c.text)
		got := "!"
		err := otlp.UnmarshalJSON([]byte(body), func(id string, _ trace.Span) { got = id })
		if got != c.want || (err == nil) == (c.want == "!") {
			t.Errorf("%q is read as %q, %v; want %q", c.text, got, err, c.want)
		}
	}
}

// TestBareIDs holds that the IDs of a span are read in one allocation, and an empty one as
// empty.
func TestBareIDs(t *testing.T) {
	id := pcommon.SpanID{0: 0xab, 7: 1}
	other := pcommon.SpanID{7: 2}
	for _, c := range []struct {
		span, parent pcommon.SpanID
		want         [2]string
	}{
		{id, other, [2]string{"ab00000000000001", "0000000000000002"}},
		{id, pcommon.SpanID{}, [2]string{"ab00000000000001", ""}},
		{pcommon.SpanID{}, other, [2]string{"", "0000000000000002"}},
		{pcommon.SpanID{}, pcommon.SpanID{}, [2]string{}},
	} {
		s := ptrace.NewSpan()
		s.SetSpanID(c.span)
		s.SetParentSpanID(c.parent)
		got := otlp.Bare(s)
		if ids := [2]string{got.ID, got.Parent}; ids != c.want {
			t.Errorf("the IDs are read as %q, want %q", ids, c.want)
		}
		if n := testing.AllocsPerRun(10, func() { got = otlp.Bare(s) }); n > 1 {
			t.Errorf("%v allocations, want at most 1", n)
		}
	}
}

// BenchmarkDecodedBytes measures the size of a request of a thousand spans.
func BenchmarkDecodedBytes(b *testing.B) {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for range 1000 {
		s := spans.AppendEmpty()
		s.SetName("operation")
		for i := range 12 {
			s.Attributes().PutStr(fmt.Sprint("attribute.", i), "value")
		}
	}
	request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := otlp.DecodedBytes(request); err != nil {
			b.Fatal(err)
		}
	}
}

// A span that cannot be read costs itself, a message cut short what follows.
func TestDamage(t *testing.T) {
	js, err := (&ptrace.JSONMarshaler{}).MarshalTraces(message())
	if err != nil {
		t.Fatal(err)
	}
	text := string(js)
	second := strings.LastIndex(text, `{"traceId"`)
	for _, c := range []struct {
		name, body, says string
		spans            int
	}{
		{"cut short", text[:second+30], "not OTLP: unexpected EOF", 1},
		{"cut short within the first span", text[:second-30], "unexpected EOF", 0},
		{"one bad ID", strings.Replace(text, `"spanId":"fe01`, `"spanId":"oops`, 1), `spanId "oops000000000000" is not an ID of 8 bytes`, 1},
		{"bad times", strings.ReplaceAll(text, `"endTimeUnixNano":"`, `"endTimeUnixNano":"x`), "endTimeUnixNano is not a number; 1 more spans", 0},
		{"spans of another type", `{"resourceSpans":[{"resource":{"attributes":[]},"scopeSpans":{}}]}`, "invalid character '{'", 0},
		{"a value of another type", `{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":1}]}}]}`, "invalid character '1'", 0},
	} {
		n := 0
		err := otlp.UnmarshalJSON([]byte(c.body), func(string, trace.Span) { n++ })
		if err == nil || !strings.Contains(err.Error(), c.says) || n != c.spans {
			t.Errorf("%s: %d spans, %v; want %d and %q", c.name, n, err, c.spans, c.says)
		}
	}
}

// Deep nesting must not exhaust the stack.
func TestDeepValue(t *testing.T) {
	deep := strings.Repeat(`{"arrayValue":{"values":[`, 100_000) + `{"intValue":1}` + strings.Repeat("]}}", 100_000)
	body := `{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":` + deep + `}]},"scopeSpans":[{"spans":[{}]}]}]}`
	n := 0
	if err := otlp.UnmarshalJSON([]byte(body), func(string, trace.Span) { n++ }); err != nil || n != 1 {
		t.Errorf("%d spans, %v", n, err)
	}
}

// Whatever is read has been understood as pdata understands it.
func FuzzUnmarshalJSON(f *testing.F) {
	js, err := (&ptrace.JSONMarshaler{}).MarshalTraces(message())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(js)
	f.Add([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"status":{"code":"2"}}]}],"resource":null}]}`))
	emptyKey := regexp.MustCompile(`""\s*:`) // pdata takes it for the end of the object
	f.Fuzz(func(t *testing.T, b []byte) {
		if emptyKey.Match(b) {
			return
		}
		var ours []found
		ourErr := otlp.UnmarshalJSON(b, func(id string, s trace.Span) { ours = append(ours, found{id, s}) })
		td, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(b)
		if err != nil || ourErr != nil {
			return
		}
		n := 0
		otlp.Spans(td, func(string, trace.Span) { n++ })
		if len(ours) < n {
			t.Errorf("%d spans, pdata reads %d", len(ours), n)
		}
	})
}

// Times that are too far apart for a Duration must not make it negative.
func TestDistantEnd(t *testing.T) {
	td := ptrace.NewTraces()
	s := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	s.SetStartTimestamp(1 << 63) // before 1970 as an int64
	s.SetEndTimestamp(1<<63 - 1)
	otlp.Spans(td, func(_ string, s trace.Span) {
		if s.Duration != math.MaxInt64 {
			t.Errorf("duration %d", s.Duration)
		}
	})
	body := `{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"-9000000000000000000","endTimeUnixNano":"9000000000000000000"}]}]}]}`
	if err := otlp.UnmarshalJSON([]byte(body), func(_ string, s trace.Span) {
		if s.Duration != math.MaxInt64 {
			t.Errorf("JSON: duration %d", s.Duration)
		}
	}); err != nil {
		t.Error(err)
	}
}

// A message that is nested all the way would exhaust the decoder's stack.
func TestNestedMessage(t *testing.T) {
	value := []byte{}
	for range 10_000 {
		list := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), value)
		value = protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), list)
	}
	message := value
	for _, field := range []protowire.Number{2, 9, 2, 2, 1} { // KeyValue.value up to TracesData.resource_spans
		message = protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), message)
	}
	if err := otlp.Unmarshal(message, func(string, trace.Span) {}); !errors.Is(err, otlp.ErrNesting) {
		t.Errorf("error %v of %d bytes, want %v", err, len(message), otlp.ErrNesting)
	}
}
