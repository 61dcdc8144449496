package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/otlp"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// message returns an OTLP message with a span of gateway and one of payment.
func message(number byte) ptrace.Traces {
	td := ptrace.NewTraces()
	at := time.Unix(1_700_000_000, int64(number))
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

// forms returns two messages in each format.
func forms(t testing.TB) map[string][]byte {
	a, b := message(1), message(2)
	both := ptrace.NewTraces()
	message(1).ResourceSpans().MoveAndAppendTo(both.ResourceSpans())
	message(2).ResourceSpans().MoveAndAppendTo(both.ResourceSpans())
	lines := append(append(asJSON(t, a), '\n'), append(asJSON(t, b), '\n')...)
	return map[string][]byte{
		"one JSON message":          asJSON(t, both),
		"a message a line":          lines,
		"after white space":         append([]byte("\n\n "), lines...),
		"an array":                  fmt.Appendf(nil, "[%s,\n%s]", asJSON(t, a), asJSON(t, b)),
		"gzip":                      zipped(t, lines),
		"protobuf":                  asProto(t, both),
		"protobuf, one after other": append(asProto(t, a), asProto(t, b)...),
		"protobuf behind lengths":   framed(asProto(t, a), asProto(t, b)),
		"protobuf in gzip":          zipped(t, framed(asProto(t, a), asProto(t, b))),
	}
}

func TestRead(t *testing.T) {
	for name, body := range forms(t) {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "traces")
			if err := os.WriteFile(file, body, 0o600); err != nil {
				t.Fatal(err)
			}
			found := map[string][]trace.Span{}
			stats, err := otlp.ReadFile(t.Context(), file, func(id string, s trace.Span) { found[id] = append(found[id], s) })
			if err != nil || stats.Spans != 4 || len(found) != 2 {
				t.Fatalf("%+v of %d traces, %v", stats, len(found), err)
			}
			spans := found["01020000000000000000000000000000"]
			if len(spans) != 2 {
				t.Fatalf("traces %v", found)
			}
			g, p := spans[0], spans[1]
			if g.Service != "gateway" || g.Operation != "POST /pay" || g.Kind != "server" || g.Parent != "" || g.Failed || g.Duration != 20*time.Millisecond ||
				g.Attributes["http.response.status_code"] != "503" || g.Attributes["service.version"] != "1.2" || g.Start.UnixNano() != 1_700_000_000_000_000_002 {
				t.Errorf("gateway %+v", g)
			}
			if p.Service != "payment" || p.Kind != "client" || p.Parent != g.ID || !p.Failed {
				t.Errorf("payment %+v", p)
			}
		})
	}
}

func TestJaegerPage(t *testing.T) {
	body := `{"data":[{"traceID":"a","spans":[{"spanID":"1","operationName":"GET /","startTime":1700000000000000,"duration":5,"processID":"p"}],
		"processes":{"p":{"serviceName":"gateway"}}}]}`
	var got trace.Span
	stats, err := otlp.Read(strings.NewReader(body), "saved.json", func(_ string, s trace.Span) { got = s })
	if err != nil || stats.Spans != 1 || got.Service != "gateway" || got.Duration != 5*time.Microsecond {
		t.Errorf("%+v %+v %v", stats, got, err)
	}
}

// Errors name the line or the byte. Spans before the error are read.
func TestBadFiles(t *testing.T) {
	good := string(asJSON(t, message(1))) + "\n"
	proto := asProto(t, message(1))
	for _, c := range []struct {
		name, body, says string
		spans            int
	}{
		{"empty", "", "f is empty", 0},
		{"cut short in the third line", good + good + good[:50], "f:3: unexpected EOF", 4},
		{"no JSON in the second line", good + "{oops}\n", "f:2: invalid character 'o'", 2},
		{"other JSON in the second line", good + `{"a":1}`, "f:2: neither OTLP (resourceSpans) nor Jaeger (data)", 2},
		{"a number", `[1]`, "f:1: element 0: neither OTLP nor Jaeger: a number instead of an object", 0},
		{"a string in the third line", good + "\n\"x\"", "f:3: neither OTLP nor Jaeger: a string instead of an object", 2},
		{"zeros without end", strings.Repeat("\x00", 1<<20), "f: byte 0: neither OTLP nor Jaeger, in JSON or in protobuf", 0},
		{"bad OTLP", `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}`, "f:1: not OTLP", 0},
		{"text", "traces, they said", "f: byte 0: neither OTLP nor Jaeger", 0},
		{"a message cut short", string(framed(proto, proto)[:len(proto)+20]),
			fmt.Sprintf("f: byte %d: a message of %d bytes: unexpected EOF", len(proto)+4, len(proto)), 2},
		{"a length cut short", string(framed(proto)) + "\x00\x00", fmt.Sprintf("f: byte %d: a length is cut short", len(proto)+4), 2},
		{"protobuf cut short", string(proto[:len(proto)-3]), "f: byte 0: not OTLP", 0},
		{"gzip cut short", string(zipped(t, []byte(good))[:40]), "f: unexpected EOF", 0},
		{"no gzip", "\x1f\x8b and so on", "f: gzip: invalid header", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			_, err := otlp.Read(strings.NewReader(c.body), "f", func(string, trace.Span) { n++ })
			if err == nil || !strings.HasPrefix(err.Error(), c.says) || n != c.spans {
				t.Errorf("%d spans, error %v; want %d and %q", n, err, c.spans, c.says)
			}
		})
	}
}

// Reading ends when the context is done.
func TestReadingEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traces.json")
	if err := os.WriteFile(path, asJSON(t, message(1)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := otlp.ReadFile(ctx, path, func(string, trace.Span) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

// Opening a named pipe without a writer, and reading from one that writes nothing, end with
// the context.
func TestSilentPipe(t *testing.T) {
	for _, written := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if written {
			w, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := otlp.ReadFile(ctx, path, func(string, trace.Span) {})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a writer %v: error %v, want that of the context", written, err)
		}
	}
}

// Spans without a start time are skipped.
func TestTimeless(t *testing.T) {
	td := message(1)
	td.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).SetStartTimestamp(0)
	stats, err := otlp.Read(bytes.NewReader(asProto(t, td)), "f", func(string, trace.Span) {})
	if err != nil || stats.Spans != 1 || stats.Timeless != 1 {
		t.Errorf("%+v %v", stats, err)
	}
}

// Any file is read or refused with an error that names it. The spans that were read can be
// diagnosed.
func FuzzRead(f *testing.F) {
	for _, b := range forms(f) {
		f.Add(b)
	}
	f.Add([]byte(`{"data":[{"traceID":"a","spans":[{"spanID":"1","references":[{"traceID":"a","spanID":"1"}]}],"processes":{}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		book := sample.New()
		all := trace.NewAssembler(book.Add)
		n := 0
		stats, err := otlp.Read(bytes.NewReader(b), "name", func(id string, s trace.Span) {
			n++
			all.Add(id, s)
		})
		all.Flush()
		if n != stats.Spans {
			t.Errorf("%d spans handed over, %d counted", n, stats.Spans)
		}
		if err != nil && !strings.Contains(err.Error(), "name") {
			t.Errorf("error without the file's name: %v", err)
		}
		res := diagnose.Diagnose(diagnose.Evidence{Sample: book}, diagnose.Options{})
		res.ExplainSample()
	})
}
