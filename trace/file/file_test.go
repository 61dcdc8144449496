package file_test

import (
	"bytes"
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

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
)

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
		{"a vendor's", `[[{"trace_id":1,"span_id":2,"start":1,"duration":2}]]`, "f:1: these are spans in a vendor's own form"},
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
		{"zeros without end", strings.Repeat("\x00", 1<<20), "f: neither JSON nor OTLP in protobuf"},
		{"noise", "\x93\x00\x01\xff\xfe\xfd", "f: neither JSON nor OTLP in protobuf"},
		{"gzip cut short", string(zipped(t, good)[:40]), "f: unexpected EOF"},
		{"no gzip", "\x1f\x8b and so on", "f: gzip: invalid header"},
		{"a hundred strangers", strings.Repeat(`{"a":1}`+"\n", 1000), `f:1: an object that no format of traces has, with the fields "a": export the traces as OTLP, or save them from Jaeger, Tempo or Zipkin as JSON; 99 more records cannot be read`},
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
		t.Skip("reads 64 MiB")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := file.Decode(t.Context(), &zeros{}, "f", func(string, trace.Span) {})
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "a record of more than 64 MiB") {
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

// A pattern that the shell did not expand stands for the files that match.
func TestPattern(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string][]byte{"a.json": asJSON(t, message(1)), "b.json": asJSON(t, message(2)), "c.txt": []byte("no"), "[x].json": asJSON(t, message(3))} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, want := range map[string]int{"[ab].json": 4, "*.json": 6, "[x].json": 2, "*.none": 0, "[": 0} {
		n := 0
		_, err := file.Read(t.Context(), filepath.Join(dir, pattern), func(string, trace.Span) { n++ })
		if n != want || (err != nil) != (want == 0) {
			t.Errorf("%s: %d spans, %v; want %d", pattern, n, err, want)
		}
	}
	n := 0
	if _, err := file.Read(t.Context(), filepath.Join(dir, "*"), func(string, trace.Span) { n++ }); n != 6 || err == nil || !strings.Contains(err.Error(), "c.txt") {
		t.Errorf("%d spans, %v", n, err)
	}
}
