package file_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// message is one OTLP message with a gateway's and a payment's span.
func message(number byte) ptrace.Traces {
	td := ptrace.NewTraces()
	at := time.Unix(1_700_000_000, int64(number)*1000)
	add := func(service, name string, id, parent byte, kind ptrace.SpanKind) ptrace.Span {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", service)
		rs.Resource().Attributes().PutStr("service.version", "1.2")
		s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{1, number})
		s.SetSpanID(pcommon.SpanID{id})
		s.SetParentSpanID(pcommon.SpanID{parent})
		s.SetName(name)
		s.SetKind(kind)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(at))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(at.Add(20 * time.Millisecond)))
		return s
	}
	add("gateway", "POST /pay", 1, 0, ptrace.SpanKindServer).Attributes().PutInt("http.response.status_code", 503)
	add("payment", "Charge", 2, 1, ptrace.SpanKindClient).Status().SetCode(ptrace.StatusCodeError)
	return td
}

func asJSON(t testing.TB, td ptrace.Traces) []byte {
	t.Helper()
	b, err := (&ptrace.JSONMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func asProto(t testing.TB, td ptrace.Traces) []byte {
	t.Helper()
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func framed(messages ...[]byte) []byte {
	var out []byte
	for _, m := range messages {
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(m))), m...)
	}
	return out
}

// jaegerTrace is message as Jaeger's API has it.
func jaegerTrace(number byte) string {
	id := fmt.Sprintf("01%02x%028x", number, 0)
	start := 1_700_000_000_000_000 + int(number)
	return fmt.Sprintf(`{"traceID":"%[1]s","spans":[{"traceID":"%[1]s","spanID":"0100000000000000","operationName":"POST /pay","references":[],"startTime":%[2]d,"duration":20000,
"tags":[{"key":"span.kind","type":"string","value":"server"},{"key":"http.response.status_code","type":"int64","value":503}],"logs":[],"processID":"p1"},
{"traceID":"%[1]s","spanID":"0200000000000000","operationName":"Charge","references":[{"refType":"CHILD_OF","traceID":"%[1]s","spanID":"0100000000000000"}],
"startTime":%[2]d,"duration":20000,"tags":[{"key":"span.kind","value":"client"},{"key":"error","type":"bool","value":true}],"processID":"p2"}],
"processes":{"p1":{"serviceName":"gateway","tags":[{"key":"service.version","value":"1.2"}]},"p2":{"serviceName":"payment","tags":[]}}}`, id, start)
}

// jaegerDocs are the same as Elasticsearch holds them.
func jaegerDocs(number byte) []string {
	id := fmt.Sprintf("01%02x%028x", number, 0)
	start := 1_700_000_000_000_000 + int(number)
	return []string{
		fmt.Sprintf(`{"traceID":"%s","spanID":"0100000000000000","operationName":"POST /pay","startTime":%d,"duration":20000,"tag":{"span@kind":"server","http@response@status_code":503},"process":{"serviceName":"gateway","tag":{"service@version":"1.2"}}}`, id, start),
		fmt.Sprintf(`{"traceID":"%s","spanID":"0200000000000000","parentSpanID":"0100000000000000","operationName":"Charge","startTime":%d,"duration":20000,"tags":[{"key":"span.kind","value":"client"},{"key":"error","value":"true"}],"process":{"serviceName":"payment","tags":[]}}`, id, start),
	}
}

func zipkinTrace(number byte) string {
	return fmt.Sprintf(`{"traceId":"01%02[1]x%028[2]x","id":"0100000000000000","kind":"SERVER","name":"POST /pay","timestamp":%[3]d,"duration":20000,"localEndpoint":{"serviceName":"gateway"},"tags":{"http.response.status_code":"503","service.version":"1.2"}},
{"traceId":"01%02[1]x%028[2]x","id":"0200000000000000","parentId":"0100000000000000","kind":"CLIENT","name":"Charge","timestamp":%[3]d,"duration":20000,"localEndpoint":{"serviceName":"payment"},"tags":{"error":""}}`,
		number, 0, 1_700_000_000_000_000+int(number))
}

func stdoutSpans(number byte) (golang, python string) {
	at := time.Unix(1_700_000_000, int64(number)*1000).UTC()
	for i, s := range []struct{ name, service, parent, kind, status, attributes string }{
		{"POST /pay", "gateway", "0000000000000000", "SERVER", "Unset", `"http.response.status_code"`},
		{"Charge", "payment", "0100000000000000", "CLIENT", "Error", ""}} {
		goAttributes, pyAttributes := "null", "{}"
		if s.attributes != "" {
			goAttributes = `[{"Key":` + s.attributes + `,"Value":{"Type":"INT64","Value":503}}]`
			pyAttributes = `{` + s.attributes + `:503}`
		}
		start, end := at.Format(time.RFC3339Nano), at.Add(20*time.Millisecond).Format(time.RFC3339Nano)
		golang += fmt.Sprintf(`{"Name":%q,"SpanContext":{"TraceID":"01%02x%028x","SpanID":"%02x00000000000000"},"Parent":{"SpanID":%q},"SpanKind":%d,"StartTime":%q,"EndTime":%q,"Attributes":%s,
"Status":{"Code":%q,"Description":""},"Resource":[{"Key":"service.name","Value":{"Type":"STRING","Value":%q}},{"Key":"service.version","Value":{"Type":"STRING","Value":"1.2"}}]}`+"\n",
			s.name, number, 0, i+1, s.parent, i+2, start, end, goAttributes, s.status, s.service)
		parent := "null"
		if i > 0 {
			parent = `"0x` + s.parent + `"`
		}
		python += fmt.Sprintf("{\n    \"name\": %q,\n    \"context\": {\"trace_id\": \"0x01%02x%028x\", \"span_id\": \"0x%02x00000000000000\"},\n    \"kind\": \"SpanKind.%s\",\n    \"parent_id\": %s,\n"+
			"    \"start_time\": %q,\n    \"end_time\": %q,\n    \"status\": {\"status_code\": %q},\n    \"attributes\": %s,\n    \"resource\": {\"attributes\": {\"service.name\": %q, \"service.version\": \"1.2\"}}\n}\n",
			s.name, number, 0, i+1, s.kind, parent, start, end, strings.ToUpper(s.status), pyAttributes, s.service)
	}
	return golang, python
}

func asUTF16(s string, order binary.AppendByteOrder, mark bool) []byte {
	var out []byte
	if mark {
		out = order.AppendUint16(out, 0xfeff)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bzipped is a file that bzip2 compressed: the standard library only reads.
const bzipped = "QlpoOTFBWSZTWYr7Fa0AAExfgAAQUATikAahBAouo9+qIAB1DUnqA2oD1BoAbSaCVPST1T0TaIehDQA2o/CVLb56JJa+Tw5ilszDCFHbHjy6sUpDKN5RiA5jiwRCJz2xpXgZijyYR5fANgxQaAhXPFZQYMykUyJKFw7G6uUy5s1bJIYW+LwjWx7MyukkL+LuSKcKEhFfYrWg"

// forms are two messages in every form that is read.
func forms(t testing.TB) map[string][]byte {
	a, b := message(1), message(2)
	both := ptrace.NewTraces()
	message(1).ResourceSpans().MoveAndAppendTo(both.ResourceSpans())
	message(2).ResourceSpans().MoveAndAppendTo(both.ResourceSpans())
	ja, jb := string(asJSON(t, a)), string(asJSON(t, b))
	lines := ja + "\n" + jb + "\n"
	list := func(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `{"resourceSpans":`), "}") }
	pages := `{"data":[` + jaegerTrace(1) + `,` + jaegerTrace(2) + `],"total":0,"limit":0,"offset":0,"errors":null}`
	docs := append(jaegerDocs(1), jaegerDocs(2)...)
	ga, pa := stdoutSpans(1)
	gb, pb := stdoutSpans(2)
	var xzed bytes.Buffer
	x, err := xz.NewWriter(&xzed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Write([]byte(lines)); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{
		"one JSON message":             string(asJSON(t, both)),
		"a message a line":             lines,
		"after white space":            "\n\n " + lines,
		"CRLF":                         strings.ReplaceAll(lines, "\n", "\r\n"),
		"an array":                     "[" + ja + ",\n" + jb + "]",
		"arrays":                       "[" + ja + "]\n[" + jb + "]",
		"nothing between":              ja + jb,
		"a sequence of RFC 7464":       "\x1e" + ja + "\n\x1e" + jb + "\n",
		"byte order marks":             "\xef\xbb\xbf" + ja + "\n\xef\xbb\xbf" + jb,
		"other signals between":        ja + "\n" + `{"resourceMetrics":[{"resource":{}}]}` + "\n" + `{"resourceLogs":[]}` + "\n" + jb,
		"gzip":                         string(zipped(t, []byte(lines))),
		"gzip, joined":                 string(zipped(t, []byte(ja))) + string(zipped(t, []byte(jb))),
		"gzip in gzip":                 string(zipped(t, zipped(t, []byte(lines)))),
		"zstd":                         string(z.EncodeAll([]byte(lines), nil)),
		"xz":                           xzed.String(),
		"UTF-16":                       string(asUTF16(lines, binary.LittleEndian, true)),
		"UTF-16, big end":              string(asUTF16(lines, binary.BigEndian, true)),
		"UTF-16 without a mark":        string(asUTF16(lines, binary.LittleEndian, false)),
		"UTF-16BE without a mark":      string(asUTF16(lines, binary.BigEndian, false)),
		"protobuf":                     string(asProto(t, both)),
		"protobuf, one after other":    string(asProto(t, a)) + string(asProto(t, b)),
		"protobuf behind lengths":      string(framed(asProto(t, a), asProto(t, b))),
		"protobuf in gzip":             string(zipped(t, framed(asProto(t, a), asProto(t, b)))),
		"ResourceSpans on their own":   list(ja) + "\n" + list(jb), // as Java's logging exporter prints them
		"Tempo":                        `{"batches":` + list(ja) + "}\n" + `{"trace":{"resourceSpans":` + list(jb) + `},"metrics":{}}`,
		"Jaeger's API v3":              `{"result":` + ja + "}\n" + `{"result":` + jb + "}",
		"Jaeger's page":                pages,
		"Jaeger's pages":               strings.ReplaceAll(`{"data":[`+jaegerTrace(1)+`]}`, "\n", "") + "\n" + strings.ReplaceAll(`{"data":[`+jaegerTrace(2)+`]}`, "\n", ""),
		"Jaeger's traces":              jaegerTrace(1) + "\n" + jaegerTrace(2),
		"an array of Jaeger's":         "[" + jaegerTrace(1) + "\n,\n" + jaegerTrace(2) + "]",
		"Elasticsearch's documents":    strings.Join(docs, "\n"),
		"a dump of Elasticsearch":      `{"_index":"jaeger-span","_source":` + strings.Join(docs, "}\n"+`{"_index":"jaeger-span","_source":`) + "}",
		"an answer of Elasticsearch's": `{"took":1,"hits":{"total":4,"hits":[{"_source":` + strings.Join(docs, `},{"_source":`) + `}]}}`,
		"Zipkin":                       "[" + zipkinTrace(1) + "," + zipkinTrace(2) + "]",
		"Zipkin, nested":               "[[" + zipkinTrace(1) + "],[" + zipkinTrace(2) + "]]",
		"Go's stdouttrace":             ga + gb,
		"Python's console":             pa + pb,
		"formats mixed":                ja + "\n" + strings.ReplaceAll(jaegerTrace(2), "\n", " ") + "\n",
	}
	forms := make(map[string][]byte, len(out))
	for name, body := range out {
		forms[name] = []byte(body)
	}
	return forms
}
