// Package otlp reads traces from files. The format is one of
//
//   - OTLP as JSON: one message, one message per line as the collector's file exporter
//     writes it, or an array of messages,
//   - OTLP as protobuf: one message, or messages each preceded by its length in four bytes,
//     big-endian,
//   - JSON saved from Jaeger's UI.
//
// Files may be compressed with gzip.
package otlp

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/jaeger"
)

// maxMessage bounds one message, in bytes.
const maxMessage = 256 << 20

// Stats counts the spans that were read.
type Stats struct {
	Spans    int // passed to add
	Timeless int // skipped because they have no start time
}

// ReadFile reads a file and calls add for each span with its trace ID. An error names the
// file and the line or, in protobuf, the byte. Spans before the error have been passed to
// add. ReadFile returns the error of ctx when that is done, even if the file is a named
// pipe without a writer.
func ReadFile(ctx context.Context, path string, add func(trace string, s trace.Span)) (Stats, error) {
	f, err := open(ctx, path)
	if err != nil {
		return Stats{}, err
	}
	defer f.Close()
	// Closing the file interrupts a read from a pipe.
	defer context.AfterFunc(ctx, func() { _ = f.Close() })()
	return Read(until{ctx, f}, path, add)
}

// open is like os.Open but returns when ctx is done. Opening a named pipe blocks until it
// has a writer.
func open(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened)
	go func() {
		f, err := os.Open(path)
		select {
		case done <- opened{f, err}:
		case <-ctx.Done():
			if err == nil {
				_ = f.Close()
			}
		}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("open %s: %w", path, ctx.Err())
	}
}

// until is a reader that fails when its context is done.
type until struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := u.r.Read(p)
	if err != nil && u.ctx.Err() != nil {
		err = u.ctx.Err() // the context closed the file
	}
	return n, err
}

// Read is like ReadFile for a reader. name is the name of the file in errors.
func Read(r io.Reader, name string, add func(trace string, s trace.Span)) (Stats, error) {
	d := decoder{name: name, add: add}
	in := bufio.NewReaderSize(r, 1<<16)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return d.stats, fmt.Errorf("%s: %w", name, err)
		}
		in = bufio.NewReaderSize(z, 1<<16)
	}
	first, err := firstByte(in)
	switch {
	case errors.Is(err, io.EOF):
		return d.stats, fmt.Errorf("%s is empty", name)
	case err != nil:
		return d.stats, fmt.Errorf("%s: %w", name, err)
	case first == '{' || first == '[':
		err = d.json(in)
	default:
		err = d.protobuf(in)
	}
	return d.stats, err
}

// firstByte returns the first byte that is not white space, without consuming any. A newline
// may also be the tag of a protobuf message; it is returned if no JSON follows.
func firstByte(in *bufio.Reader) (byte, error) {
	for n := 1; ; n++ {
		b, err := in.Peek(n)
		if len(b) < n {
			if n > 1 {
				return b[0], nil // nothing but white space, or a very short message
			}
			return 0, err
		}
		if c := b[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			if n > 1 && c != '{' && c != '[' {
				return b[0], nil
			}
			return c, nil
		}
		if n == 1<<10 {
			return b[0], nil
		}
	}
}

type decoder struct {
	name  string
	add   func(string, trace.Span)
	stats Stats
}

func (d *decoder) json(in io.Reader) error {
	lines := &lineReader{r: in}
	values := json.NewDecoder(lines)
	for {
		lines.begin(values.InputOffset())
		var raw json.RawMessage
		if err := values.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			at := values.InputOffset()
			var syntax *json.SyntaxError
			switch {
			case errors.As(err, &syntax):
				at = syntax.Offset
			case errors.Is(err, io.ErrUnexpectedEOF):
				at = lines.at
			}
			return fmt.Errorf("%s:%d: %w", d.name, lines.line(at), err)
		}
		if err := d.value(raw); err != nil {
			return fmt.Errorf("%s:%d: %w", d.name, lines.line(values.InputOffset()-int64(len(raw))), err)
		}
	}
}

// value reads one JSON value.
func (d *decoder) value(raw json.RawMessage) error {
	if raw[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		for i, v := range list {
			if err := d.value(v); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		return nil
	}
	var shape struct {
		OTLP   json.RawMessage `json:"resourceSpans"`
		Jaeger json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &shape); err != nil {
		return errors.New("neither OTLP nor Jaeger: " + kindOf(raw) + " instead of an object")
	}
	switch {
	case shape.OTLP != nil:
		td, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(raw)
		if err != nil {
			return fmt.Errorf("not OTLP: %w", err)
		}
		d.traces(td)
		return nil
	case shape.Jaeger != nil:
		found, err := jaeger.Unmarshal(raw)
		for _, t := range found {
			for _, s := range t.Spans {
				d.span(t.ID, s)
			}
		}
		return err
	}
	return errors.New("neither OTLP (resourceSpans) nor Jaeger (data)")
}

// kindOf returns the kind of a JSON value, for errors.
func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	case '{':
		return "another shape"
	}
	return "a number"
}

// protobuf reads one message, or several preceded by their lengths. A message begins with
// the tag of its first field, 0x0a. A length below 16 MiB begins with 0.
func (d *decoder) protobuf(in *bufio.Reader) error {
	if first, err := in.Peek(1); err == nil && first[0] == 0x0a {
		b, err := io.ReadAll(io.LimitReader(in, maxMessage+1))
		if err != nil {
			return fmt.Errorf("%s: byte %d: %w", d.name, len(b), err)
		}
		if len(b) > maxMessage {
			return fmt.Errorf("%s: longer than %d bytes as one message", d.name, maxMessage)
		}
		return d.message(b, 0)
	}
	for at := int64(0); ; {
		var size [4]byte
		if _, err := io.ReadFull(in, size[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: byte %d: a length is cut short: %w", d.name, at, err)
		}
		n := binary.BigEndian.Uint32(size[:])
		if n == 0 || n > maxMessage {
			return fmt.Errorf("%s: byte %d: neither OTLP nor Jaeger, in JSON or in protobuf", d.name, at)
		}
		// A wrong length must not cause a large allocation.
		b, err := io.ReadAll(io.LimitReader(in, int64(n)))
		if err == nil && len(b) < int(n) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("%s: byte %d: a message of %d bytes: %w", d.name, at, n, err)
		}
		if err := d.message(b, at+4); err != nil {
			return err
		}
		at += 4 + int64(n)
	}
}

func (d *decoder) message(b []byte, at int64) error {
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(b)
	if err != nil {
		return fmt.Errorf("%s: byte %d: not OTLP: %w", d.name, at, err)
	}
	d.traces(td)
	return nil
}

func (d *decoder) traces(td ptrace.Traces) {
	Spans(td, d.span)
}

func (d *decoder) span(trace string, s trace.Span) {
	if s.Start.UnixNano() == 0 {
		d.stats.Timeless++
		return
	}
	d.stats.Spans++
	d.add(trace, s)
}

// Spans calls add for each span of td with its trace ID.
func Spans(td ptrace.Traces, add func(trace string, s trace.Span)) {
	for _, rs := range td.ResourceSpans().All() {
		resource := rs.Resource().Attributes()
		service := text(resource, "service.name")
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				out := trace.Span{ID: s.SpanID().String(), Parent: s.ParentSpanID().String(), Service: service, Operation: s.Name(),
					Kind: kinds[s.Kind()], Start: s.StartTimestamp().AsTime(), Failed: s.Status().Code() == ptrace.StatusCodeError,
					Attributes: make(map[string]string, s.Attributes().Len()+2)}
				out.Duration = s.EndTimestamp().AsTime().Sub(out.Start)
				for _, k := range []string{"service.version", "service.instance.id"} {
					if v := text(resource, k); v != "" {
						out.Attributes[k] = v
					}
				}
				for k, v := range s.Attributes().All() {
					out.Attributes[k] = v.AsString()
				}
				add(s.TraceID().String(), out)
			}
		}
	}
}

var kinds = map[ptrace.SpanKind]trace.Kind{ptrace.SpanKindServer: "server", ptrace.SpanKindClient: "client",
	ptrace.SpanKindProducer: "producer", ptrace.SpanKindConsumer: "consumer", ptrace.SpanKindInternal: "internal"}

func text(m pcommon.Map, key string) string {
	if v, ok := m.Get(key); ok {
		return v.AsString()
	}
	return ""
}

// lineReader records the offsets of line ends since the start of the current JSON value, and
// bounds the size of that value.
type lineReader struct {
	r     io.Reader
	at    int64
	from  int64   // offset of the value
	lines int     // line ends before from
	ends  []int64 // offsets of line ends after from
}

// begin sets the offset of the next value.
func (l *lineReader) begin(offset int64) {
	over := sort.Search(len(l.ends), func(i int) bool { return l.ends[i] >= offset })
	l.from, l.lines, l.ends = offset, l.lines+over, l.ends[over:]
}

// Read implements io.Reader.
func (l *lineReader) Read(p []byte) (int, error) {
	if l.at-l.from > maxMessage {
		return 0, fmt.Errorf("longer than %d bytes as one value", maxMessage)
	}
	n, err := l.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			l.ends = append(l.ends, l.at+int64(i))
		}
	}
	l.at += int64(n)
	return n, err
}

// line returns the number of the line that contains an offset.
func (l *lineReader) line(offset int64) int {
	return 1 + l.lines + sort.Search(len(l.ends), func(i int) bool { return l.ends[i] >= offset })
}
