package file_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
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

func TestRead(t *testing.T) {
	for name, body := range forms(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "traces")
			if err := os.WriteFile(path, body, 0o600); err != nil {
				t.Fatal(err)
			}
			found := map[string][]trace.Span{}
			add := func(id string, s trace.Span) { found[id] = append(found[id], s) }
			stats, err := file.Read(t.Context(), path, add)
			if err != nil || stats.Spans != 4 || stats.Bad != 0 || len(found) != 2 {
				t.Fatalf("%+v of %d traces, %v", stats, len(found), err)
			}
			spans := found["01020000000000000000000000000000"]
			if len(spans) != 2 {
				t.Fatalf("traces %v", found)
			}
			g, p := spans[0], spans[1]
			if g.Service != "gateway" || g.Operation != "POST /pay" || g.Kind != trace.Server || g.Parent != "" || g.Failed || g.Duration != 20*time.Millisecond ||
				g.Attributes["http.response.status_code"] != "503" || g.Attribute("service.version") != "1.2" || g.Start.UnixNano() != 1_700_000_000_000_002_000 {
				t.Errorf("gateway %+v", g)
			}
			if p.Service != "payment" || p.Kind != trace.Client || p.Parent != g.ID || !p.Failed {
				t.Errorf("payment %+v", p)
			}
			// However few bytes come at a time.
			slowly := map[string][]trace.Span{}
			_, err = file.Decode(t.Context(), iotest.OneByteReader(bytes.NewReader(body)), "slowly", func(id string, s trace.Span) { slowly[id] = append(slowly[id], s) })
			if err != nil || !reflect.DeepEqual(slowly, found) {
				t.Errorf("byte by byte: %v, %v", slowly, err)
			}
		})
	}
}

func TestBzip2(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString(bzipped)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if _, err := file.Decode(t.Context(), bytes.NewReader(b), "f", func(string, trace.Span) { n++ }); err != nil || n != 1 {
		t.Errorf("%d spans, %v", n, err)
	}
}

// An error says where, and what to do; what else is in the file is read.
func TestBadRecords(t *testing.T) {
	good := string(asJSON(t, message(1))) + "\n"
	proto := string(asProto(t, message(1)))
	size, n := binary.Uvarint([]byte(proto[1:]))
	second := 1 + n + int(size) // where the second ResourceSpans begins
	jaeger := strings.ReplaceAll(jaegerTrace(1), "\n", "") + "\n"
	for _, c := range []struct {
		name, body, says string
		spans, bad       int
	}{
		{"no JSON in the second line", good + "{oops}\n" + good, "f:2: invalid character 'o' looking for beginning of object key string", 4, 1},
		{"text in the second line", good + "oops\n" + good, "f:2: ", 4, 1},
		{"other JSON in the second line", good + `{"a":1,"b":{}}` + "\n" + good, `f:2: an object that no format of traces has, with the fields "a", "b"`, 4, 1},
		{"cut short in the third line", good + good + good[:50], "f:3: unexpected EOF: it is cut short after the 4 spans before, the last of trace 0101", 4, 1},
		{"a line cut short, and others", good + good[:50] + "\n" + good, "f:2: unexpected EOF", 4, 1},
		{"a line cut short behind a comma", jaeger + jaeger[:strings.Index(jaeger, `"spanID"`)] + "\n" + jaeger, "f:2: unexpected EOF", 4, 1},
		{"a line cut short in a string", good + good[:strings.Index(good, "service.name")+3] + "\n" + good, "f:2: unexpected EOF", 4, 1},
		{"a page cut short", `{"data":[` + jaegerTrace(1) + `,` + jaegerTrace(2)[:300], "f:6: unexpected EOF: it is cut short after 2 spans, the last of trace 0101", 2, 1},
		{"cut short before anything", good[:50], "f:1: unexpected EOF: it is cut short before its first span ends", 0, 1},
		{"a number and a string", good + "[1]\n\"x\"\n" + good, "f:2: a number instead of an object; 1 more records cannot be read", 4, 2},
		{"bad OTLP", `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}`, `f:1: not OTLP: span : traceId "xyz" is not an ID of 16 bytes`, 0, 1},
		{"a bad trace among others", "[" + jaegerTrace(1) + "," + strings.Replace(jaegerTrace(2), `"duration":20000`, `"duration":"long"`, 1) + "," + jaegerTrace(3) + "]",
			"f:5: trace 0102", 4, 1},
		{"a mistake in the middle of a document", "{\n\"data\": [\n" + jaegerTrace(1) + ",\n oops ]}", "f:8: invalid character 'o'", 2, 1},
		{"JavaScript's console", "{\n  resource: { attributes: {} },\n  traceId: 'a',\n}\n", "f:1: this is an object as JavaScript's console prints it", 0, 1},
		{"a message cut short", string(framed([]byte(proto), []byte(proto))[:len(proto)+20]), fmt.Sprintf("f: byte %d: a message of %d bytes: unexpected EOF", len(proto)+4, len(proto)), 2, 1},
		{"a length cut short", string(framed([]byte(proto))) + "\x00\x00", fmt.Sprintf("f: byte %d: a length is cut short", len(proto)+4), 2, 1},
		{"a bad message among others", string(framed([]byte(proto), []byte("\x0a\x03xyz"), []byte(proto))), fmt.Sprintf("f: byte %d: not OTLP", len(proto)+4), 4, 1},
		{"protobuf cut short", proto[:len(proto)-3], fmt.Sprintf("f: byte %d: unexpected EOF: it is cut short after 1 spans", second), 1, 1},
		{"protobuf of something else", proto + "\x12\x01x", fmt.Sprintf("f: byte %d: not OTLP: field 2", len(proto)), 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			stats, err := file.Decode(t.Context(), strings.NewReader(c.body), "f", func(string, trace.Span) { n++ })
			if err == nil || !strings.HasPrefix(err.Error(), c.says) || n != c.spans || stats.Spans != n || stats.Bad != c.bad {
				t.Errorf("%d spans, %+v, error %v; want %d and %q", n, stats, err, c.spans, c.says)
			}
			var at *file.Error
			if !errors.As(err, &at) || at.More != c.bad-1 {
				t.Errorf("%#v", err)
			}
		})
	}
}

// What is no file of traces is named, with what to do.
func TestNotTraces(t *testing.T) {
	good := asJSON(t, message(1))
	for _, c := range []struct{ name, body, says string }{
		{"empty", "", "f: it is empty"},
		{"white space", " \n\n", "f: it holds nothing but white space"},
		{"empty array", "[]", "f holds no spans"},
		{"empty page", `{"data":[]}`, "f holds no spans"},
		{"empty object", "{}", "f:1: an empty object"},
		{"other signals only", `{"resourceLogs":[]}` + "\n" + `{"resourceMetrics":[]}`, "f holds no spans: its 2 records are logs, metrics or profiles"},
		{"a refusal of Jaeger's", `{"data":null,"total":0,"errors":[{"code":404,"msg":"trace not found"}]}`, "f:1: the answer is an error of Jaeger's: 404 trace not found"},
		{"Prometheus", `{"status":"success","data":{"resultType":"matrix","result":[]}}`, "f:1: this is an answer of Prometheus or Loki"},
		{"labels of Prometheus", `{"status":"success","data":["up"]}`, "f:1: this is an answer of Prometheus"},
		{"a search of Tempo", `{"traces":[{"traceID":"a","rootServiceName":"b"}],"metrics":{}}`, "f:1: this lists traces without their spans"},
		{"X-Ray", `{"Traces":[{"Id":"1-5759e988-bd862e3fe1be46a994272793","Segments":[]}]}`, "f:1: these are segments of AWS X-Ray: export the traces as OTLP"},
		{"an X-Ray segment", `{"id":"6b55dcc497934f1a","trace_id":"1-5759e988-bd862e3fe1be46a994272793","name":"a","start_time":1.1,"end_time":1.2}`, "f:1: these are segments of AWS X-Ray"},
		{"Datadog", `[[{"trace_id":1,"span_id":2,"start":1,"duration":2}]]`, "f:1: these are spans in a vendor's own form"},
		{"Zipkin v1", `[{"traceId":"a","id":"b","annotations":[],"binaryAnnotations":[]}]`, "f:1: these are spans of Zipkin's first version"},
		{"a recording of Chrome", `{"traceEvents":[]}`, "f:1: this is a recording of a browser"},
		{"a page", "<!DOCTYPE html><title>Jaeger UI</title>", "f: this is an HTML page: save the answer of the API"},
		{"XML", "<?xml version='1.0'?>", "f: this is XML"},
		{"metrics", "# HELP up Whether\nup 1\n", "f: these are metrics in Prometheus's text format"},
		{"text", "traces, they said\nand more", `f: this is text, neither JSON nor OTLP in protobuf; it begins with "traces, they said"`},
		{"text after an empty line", "\ntraces", `f: this is text, neither JSON nor OTLP`},
		{"zip", "PK\x03\x04 and so on", "f: this is a ZIP archive: unpack it"},
		{"tar in gzip", string(zipped(t, append(make([]byte, 257), "ustar\x0000"...))), "f: this is a tar archive"},
		{"Parquet", "PAR1\x00\x00", "f: this is a Parquet file"},
		{"zeros without end", strings.Repeat("\x00", 1<<20), "f: byte 0: neither JSON nor OTLP in protobuf"},
		{"noise", "\x93\x00\x01\xff\xfe\xfd", "f: neither JSON nor OTLP in protobuf"},
		{"gzip cut short", string(zipped(t, good)[:40]), "f: unexpected EOF"},
		{"no gzip", "\x1f\x8b and so on", "f: gzip: invalid header"},
		{"a hundred strangers", strings.Repeat(`{"a":1}`+"\n", 1000), `f:1: an object that no format of traces has, with the fields "a"; 99 more records cannot be read`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := file.Decode(t.Context(), strings.NewReader(c.body), "f", func(string, trace.Span) { t.Error("a span") })
			if err == nil || !strings.HasPrefix(err.Error(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
		})
	}
}

// Whoever no longer wants the answer need not wait for the file's end.
func TestReadingEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traces.json")
	if err := os.WriteFile(path, asJSON(t, message(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := file.Read(ctx, path, func(string, trace.Span) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

// stdin puts a pipe in place of standard input.
func stdin(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = r
	t.Cleanup(func() {
		os.Stdin = old
		w.Close()
		r.Close()
	})
	return w
}

func TestStdin(t *testing.T) {
	w := stdin(t)
	if _, err := w.Write(asJSON(t, message(1))); err != nil {
		t.Fatal(err)
	}
	w.Close()
	n := 0
	if stats, err := file.Read(t.Context(), file.Stdin, func(string, trace.Span) { n++ }); err != nil || n != 2 {
		t.Errorf("%+v, %v", stats, err)
	}
	stdin(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := file.Read(ctx, file.Stdin, func(string, trace.Span) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent: error %v, want that of the context", err)
	}
}

// A directory's files are read, whatever format each has.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	write := func(name, body string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := file.Read(t.Context(), dir, func(string, trace.Span) {}); !errors.Is(err, file.ErrNoSpans) {
		t.Errorf("an empty directory: %v", err)
	}
	write("a.json", string(asJSON(t, message(1))))
	write("deep/b.json.gz", string(zipped(t, []byte(jaegerTrace(2)))))
	write(".hidden", "not read")
	write(".git/config", "not read")
	n := 0
	if stats, err := file.Read(t.Context(), dir, func(string, trace.Span) { n++ }); err != nil || n != 4 || stats.Spans != 4 {
		t.Errorf("%+v, %v", stats, err)
	}
	write("README", "about these files")
	if stats, err := file.Read(t.Context(), dir, func(string, trace.Span) {}); err == nil || !strings.Contains(err.Error(), "README: this is text") || stats.Spans != 4 {
		t.Errorf("%+v, %v", stats, err)
	}
	for i := range 10 {
		write(fmt.Sprintf("more/%d", i), "{}")
	}
	if _, err := file.Read(t.Context(), dir, func(string, trace.Span) {}); err == nil || strings.Count(err.Error(), "\n") != 5 || !strings.Contains(err.Error(), "6 more files of") {
		t.Errorf("error %v", err)
	}
}

// A span without a start is nowhere in time.
func TestTimeless(t *testing.T) {
	td := message(1)
	td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).SetStartTimestamp(0)
	for _, body := range [][]byte{asProto(t, td), asJSON(t, td)} {
		stats, err := file.Decode(t.Context(), bytes.NewReader(body), "f", func(string, trace.Span) {})
		if err != nil || stats.Spans != 1 || stats.Timeless != 1 {
			t.Errorf("%+v %v", stats, err)
		}
	}
}

// zeros is an endless JSON string.
type zeros struct{ begun bool }

func (z *zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	if !z.begun {
		z.begun = true
		copy(p, `{"`)
	}
	return len(p), nil
}

// A small file must not become a large process: one record has a bound.
func TestBomb(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 256 MiB")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := file.Decode(t.Context(), &zeros{}, "f", func(string, trace.Span) {})
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "a record of more than 256 MiB") {
		t.Errorf("error %v", err)
	}
	t.Logf("%d MiB allocated in all", (after.TotalAlloc-before.TotalAlloc)>>20)
}

// Whatever a file holds, it is read, or refused with its name.
func FuzzDecode(f *testing.F) {
	for _, b := range forms(f) {
		f.Add(b)
	}
	f.Add([]byte(`{"data":[{"traceID":"a","spans":[{"spanID":"1","references":[{"traceID":"a","spanID":"1"}]}],"processes":{}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		stats, err := file.Decode(t.Context(), bytes.NewReader(b), "name", func(string, trace.Span) { n++ })
		if n != stats.Spans {
			t.Errorf("%d spans handed over, %d counted", n, stats.Spans)
		}
		if err != nil && !strings.Contains(err.Error(), "name") {
			t.Errorf("error without the file's name: %v", err)
		}
	})
}
