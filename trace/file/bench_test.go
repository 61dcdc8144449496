package file_test

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
)

// spansOf repeats the two spans of a trace until there are n.
func spansOf(n int, trace func(number byte) string, before, between, after string) []byte {
	var b strings.Builder
	b.WriteString(before)
	for i := range n / 2 {
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(trace(byte(i)))
	}
	b.WriteString(after)
	return []byte(b.String())
}

// BenchmarkDecode reads 100,000 spans of each format.
func BenchmarkDecode(b *testing.B) {
	const n = 100_000
	oneLine := func(f func(byte) string) func(byte) string {
		return func(number byte) string { return strings.ReplaceAll(f(number), "\n", "") }
	}
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"otlp/json", spansOf(n, func(i byte) string { return string(asJSON(b, message(i))) }, "", "\n", "\n")},
		{"otlp/protobuf", spansOf(n, func(i byte) string { return string(framed(asProto(b, message(i)))) }, "", "", "")},
		{"jaeger/page", spansOf(n, jaegerTrace, `{"data":[`, ",", `]}`)},
		{"jaeger/lines", spansOf(n, oneLine(jaegerTrace), "", "\n", "\n")},
		{"jaeger/elasticsearch", spansOf(n, func(i byte) string { return strings.Join(jaegerDocs(i), "\n") }, "", "\n", "\n")},
		{"zipkin", spansOf(n, zipkinTrace, "[", ",", "]")},
		{"stdout/go", spansOf(n, func(i byte) string { s, _ := stdoutSpans(i); return s }, "", "", "")},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				stats, err := file.Decode(b.Context(), bytes.NewReader(c.body), "f", func(string, trace.Span) {})
				if err != nil || stats.Spans != n {
					b.Fatalf("%+v, %v", stats, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/span")
		})
	}
}

// repeated is a text, many times.
type repeated struct {
	text  string
	times int
	rest  string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.times == 0 {
			return 0, io.EOF
		}
		r.times--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// The memory that reading takes does not grow with the file.
func TestStreaming(t *testing.T) {
	lines := string(spansOf(2000, func(i byte) string { return string(asJSON(t, message(i))) }, "", "\n", "\n"))
	proto := string(spansOf(2000, func(i byte) string { return string(asProto(t, message(i))) }, "", "", ""))
	for name, text := range map[string]string{"lines": lines, "one message in protobuf": proto} {
		var most uint64
		n := 0
		began := time.Now()
		stats, err := file.Decode(t.Context(), &repeated{text: text, times: 100}, "f", func(string, trace.Span) {
			if n++; n%20_000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		})
		if err != nil || stats.Spans != 200_000 || most > 64<<20 {
			t.Errorf("%s: %+v, %v, up to %d MiB on the heap", name, stats, err, most>>20)
		}
		t.Logf("%s: %d spans in %s, up to %d MiB on the heap", name, stats.Spans, time.Since(began).Round(time.Millisecond), most>>20)
	}
}
