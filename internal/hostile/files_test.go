package hostile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/internal/hostile"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
)

const (
	otlpHead   = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeSpans":[{"spans":[`
	otlpSpan   = `{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"GET /","kind":2,"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000100000000"}`
	otlpTail   = `]}]}]}`
	jaegerSpan = `{"traceID":"1","spanID":"2","operationName":"a","startTime":1700000000000000,"duration":5}`
	zipkinSpan = `{"traceId":"1","id":"2","timestamp":1700000000000000}`
)

// endless returns size bytes of head and items without end.
func endless(size int64, head, item string) io.Reader {
	return io.LimitReader(&hostile.Endless{Head: head, Item: item}, size)
}

// message returns a field of protobuf that holds items.
func message(size int, item string, numbers ...int) io.Reader {
	return bytes.NewReader(hostile.Within(hostile.Repeated("", item, "", size), numbers...))
}

// TestFiles passes hostile files to what --traces reads.
func TestFiles(t *testing.T) {
	tb := newTable(t, "files")
	const mib = hostile.MiB
	for _, c := range []struct {
		input string
		bound int
		r     func() io.Reader
	}{
		{"a string without end", 96, func() io.Reader { return &hostile.Endless{Head: `{"`, Item: "0"} }},
		{"arrays within arrays without end", 96, func() io.Reader { return &hostile.Endless{Head: `{"a":`, Item: "["} }},
		{"objects within objects without end", 96, func() io.Reader { return &hostile.Endless{Item: `{"a":`} }},
		{"gzip of 100 MiB of a string", 96, func() io.Reader { return bytes.NewReader(hostile.Gzip(endless(100*mib, `{"`, "0"))) }},
		{"zstd of 100 MiB of a string", 104, func() io.Reader { return bytes.NewReader(hostile.Zstd(endless(100*mib, `{"`, "0"))) }},
		{"gzip of gzip of 100 MiB of spaces", 8, func() io.Reader {
			return bytes.NewReader(hostile.Gzip(bytes.NewReader(hostile.Gzip(endless(100*mib, "", " ")))))
		}},
		{"OTLP JSON: spans, 40 MiB", 48, func() io.Reader { return endless(40*mib, otlpHead, otlpSpan+",") }},
		{"OTLP JSON: empty spans, 20 MiB", 48, func() io.Reader { return endless(20*mib, otlpHead, "{},") }},
		{"OTLP JSON: attributes of one span, 80 MiB", 96, func() io.Reader {
			return endless(80*mib, otlpHead+`{"attributes":[`, `{"key":"k","value":{"intValue":1}},`)
		}},
		{"OTLP JSON: empty resources, 20 MiB", 48, func() io.Reader { return endless(20*mib, `{"resourceSpans":[`, "{},") }},
		{"OTLP JSON: a number that is none", 2, func() io.Reader {
			return strings.NewReader(otlpHead + strings.Replace(otlpSpan, `"1700000000000000000"`, "NaN", 1) + "," + otlpSpan + otlpTail)
		}},
		{"OTLP: empty resources, 4 MiB", 8, func() io.Reader { return endless(4*mib, "", "\x0a\x00") }},
		{"OTLP: empty spans, 20 MiB", 96, func() io.Reader { return message(20*mib, "\x12\x00", 1, 2) }},
		{"OTLP: empty attributes of one span, 60 MiB", 160, func() io.Reader { return message(60*mib, "\x4a\x00", 1, 2, 2) }},
		{"Jaeger: traces, 40 MiB", 48, func() io.Reader {
			return endless(40*mib, `{"data":[`, `{"traceID":"1","spans":[`+jaegerSpan+`],"processes":{}},`)
		}},
		{"Jaeger: empty spans of one trace, 40 MiB", 320, func() io.Reader {
			return io.MultiReader(endless(40*mib/3*3-1, `{"traceID":"1","spans":[`, `{},`), strings.NewReader(`],"processes":{}}`))
		}},
		{"Zipkin: spans, 10 MiB", 64, func() io.Reader { return endless(10*mib, `[`, zipkinSpan+",") }},
		{"Zipkin: spans of a tag of 1 MiB each, 80 MiB", 64, func() io.Reader {
			return endless(80*mib, `[`, `{"traceId":"1","id":"2","timestamp":1700000000000000,"tags":{"a":"`+strings.Repeat("x", mib)+`"}},`)
		}},
		{"Tempo: batches, 20 MiB", 48, func() io.Reader { return endless(20*mib, `{"batches":[`, `{"scopeSpans":[]},`) }},
		{"1 MiB of noise", 2, func() io.Reader { return bytes.NewReader(hostile.Random(1, mib)) }},
	} {
		r := c.r()
		tb.check(t, "`--traces`", c.input, c.bound, func() string {
			stats, err := file.Decode(t.Context(), r, "f", func(string, trace.Span) {})
			return fmt.Sprintf("%s: %s", spans(stats.Spans), verdict(err))
		})
	}
}

func spans(n int) string {
	switch n {
	case 0:
		return "no span"
	case 1:
		return "1 span"
	}
	return fmt.Sprintf("%d spans", n)
}

// verdict returns the beginning of an error on one line.
func verdict(err error) string {
	if err == nil {
		return "read"
	}
	var at *file.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	s, _, _ := strings.Cut(err.Error(), "\n")
	if len(s) > 100 {
		s = s[:97] + "..."
	}
	return s
}
