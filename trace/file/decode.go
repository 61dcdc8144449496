package file

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/internal/jsonscan"
	"github.com/tenhop/tenhop/trace/jaeger"
	"github.com/tenhop/tenhop/trace/otlp"
	"github.com/tenhop/tenhop/trace/stdout"
	"github.com/tenhop/tenhop/trace/tempo"
	"github.com/tenhop/tenhop/trace/zipkin"
)

// Decode reads traces from r in any format that Read supports. Errors refer to the
// input by name.
func Decode(ctx context.Context, r io.Reader, name string, add func(traceID string, s trace.Span)) (Stats, error) {
	return decode(ctx, r, name, maxRecord, add)
}

func decode(ctx context.Context, r io.Reader, name string, limit int, add func(string, trace.Span)) (Stats, error) {
	d := &decoder{limit: limit, hand: add}
	in, err := unpack(ctx, r)
	if err == nil {
		var f form
		if f, err = formOf(in); err == nil {
			switch f {
			case jsonForm:
				err = d.json(in)
			case messageForm:
				err = d.message(in)
			case framedForm:
				err = d.framed(in)
			}
		}
	}
	d.zipkins.Flush(d.add)
	switch {
	case err != nil && d.bad == nil:
		var at *Error
		if errors.As(err, &at) {
			at.File = name
			return d.stats, at
		}
		return d.stats, fmt.Errorf("%s: %w", name, err)
	case d.bad != nil:
		d.bad.File, d.bad.More = name, d.stats.Bad-1
		return d.stats, errors.Join(d.bad, err)
	case d.stats.Skipped > 0 && d.stats.Spans+d.stats.Timeless == 0:
		return d.stats, fmt.Errorf("%s %w: its %d records are logs, metrics or profiles", name, ErrNoSpans, d.stats.Skipped)
	case d.stats.Spans+d.stats.Timeless == 0:
		return d.stats, fmt.Errorf("%s %w", name, ErrNoSpans)
	case d.stats.Spans == 0:
		return d.stats, fmt.Errorf("%s %w with a start time; %d have none", name, ErrNoSpans, d.stats.Timeless)
	}
	return d.stats, nil
}

// decoder reads the records of one file.
type decoder struct {
	limit int // bytes of a record
	hand  func(string, trace.Span)
	stats Stats
	bad   *Error // for the first record that cannot be read
	last  string // trace ID of the last span
	body  []byte // of a protobuf message, reused

	zipkinBytes int // of the records that zipkins holds

	otlps   otlp.Decoder
	jaegers jaeger.Decoder
	tempos  tempo.Decoder
	zipkins zipkin.Decoder
	stdouts stdout.Decoder
}

func (d *decoder) add(traceID string, s trace.Span) {
	if s.Start.IsZero() || s.Start.UnixNano() == 0 {
		d.stats.Timeless++
		return
	}
	d.stats.Spans++
	d.last = traceID
	d.hand(traceID, s)
}

// hopeless is the number of bad records without any span after which decoding stops.
const hopeless = 100

// fail counts a record that cannot be read. It returns an error if decoding must stop.
func (d *decoder) fail(line int, offset int64, err error) error {
	if d.stats.Bad++; d.bad == nil {
		d.bad = &Error{Line: line, Offset: offset, Err: err}
	}
	if d.stats.Bad >= hopeless && d.stats.Spans == 0 {
		return errors.New("the rest is left unread")
	}
	return nil
}

// json reads the records of a text file.
func (d *decoder) json(in *bufio.Reader) error {
	records := newFrames(in, d.limit)
	cut := false
	for {
		r, err := records.next()
		switch {
		case errors.Is(err, io.EOF), cut && errors.Is(err, io.ErrUnexpectedEOF):
			return nil // the truncated record has been reported
		case errors.Is(err, io.ErrUnexpectedEOF):
			return d.fail(records.line, records.offset, d.short(d.stats.Spans))
		case err != nil:
			return &Error{Line: records.line, Offset: records.offset, Err: err}
		}
		before := d.stats.Spans
		err = d.record(r.text)
		if cut = r.cut; cut {
			err = d.short(before)
			r.line += bytes.Count(bytes.TrimRight(r.text, " \t\r\n"), []byte("\n"))
		} else if err != nil {
			r.line, err = diagnose(r, err)
		}
		if err != nil {
			if err := d.fail(r.line, r.offset, err); err != nil {
				return err
			}
		}
	}
}

// short returns the error for a truncated record.
func (d *decoder) short(before int) error {
	if d.stats.Spans == 0 {
		return fmt.Errorf("%w: it is cut short before its first span ends", io.ErrUnexpectedEOF)
	}
	if d.stats.Spans == before {
		return fmt.Errorf("%w: it is cut short after the %d spans before, the last of trace %s", io.ErrUnexpectedEOF, d.stats.Spans, jsonscan.Clip(d.last))
	}
	return fmt.Errorf("%w: it is cut short after %d spans, the last of trace %s", io.ErrUnexpectedEOF, d.stats.Spans, jsonscan.Clip(d.last))
}

// unquoted matches an object with unquoted keys, as JavaScript prints it.
var unquoted = regexp.MustCompile(`^\{\s*[A-Za-z_$][A-Za-z0-9_$]*:`)

// diagnose returns the line of a JSON syntax error within a record.
func diagnose(r record, err error) (int, error) {
	if unquoted.Match(r.text) {
		return r.line, errors.New("this is an object as JavaScript's console prints it, not JSON: use the OTLP exporter, or the collector's file exporter")
	}
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(r.text, new(json.RawMessage)), &syntax) {
		at := min(max(int(syntax.Offset)-1, 0), len(r.text))
		return r.line + bytes.Count(r.text[:at], []byte("\n")), syntax
	}
	return r.line, err
}

// record reads one record of any shape.
func (d *decoder) record(text []byte) error { return d.nested(text, 0) }

// nested reads a record inside up to two others.
func (d *decoder) nested(text []byte, depth int) error {
	s, err := shapeOf(text)
	if err != nil {
		return err
	}
	switch s.read {
	case asOtherSignal:
		d.stats.Skipped++
		return nil
	case asOTLP:
		return d.otlps.Decode(text, d.add)
	case asResourceSpans:
		return d.otlps.DecodeList(append(append([]byte{'['}, text...), ']'), d.add)
	case asTempo:
		return d.tempos.Decode(text, d.add)
	case asJaeger:
		return d.jaeger(text)
	case asJaegerSpan:
		return d.one(d.jaegers.Span(text))
	case asStdoutGo:
		return d.one(d.stdouts.Go(text))
	case asStdoutPython:
		return d.one(d.stdouts.Python(text))
	case asZipkin:
		return d.zipkin(text)
	case asInner:
		if depth < 2 {
			return d.inner(text, depth+1)
		}
	case asHits:
		if depth < 2 {
			return d.hits(text, depth+1)
		}
	}
	return errors.New(cmp.Or(s.remedy, "an object within objects"))
}

// jaeger reads a response of Jaeger's, an array of traces or one trace.
func (d *decoder) jaeger(text []byte) error {
	any := false
	err := d.jaegers.Decode(text, func(t trace.Trace) {
		for i := range t.Spans {
			any = true
			d.add(t.ID, t.Spans[i])
		}
	})
	if !any {
		return cmp.Or(items(text), err)
	}
	return err
}

func (d *decoder) one(traceID string, s trace.Span, err error) error {
	if err == nil {
		d.add(traceID, s)
	}
	return err
}

// Zipkin spans that are buffered to find shared IDs: the maximum number, and the maximum
// size of their JSON in bytes.
const (
	held      = 50_000
	heldBytes = 32 << 20
)

func (d *decoder) zipkin(text []byte) error {
	err := d.zipkins.Decode(text)
	d.zipkinBytes += len(text)
	if d.zipkins.Held() >= held || d.zipkinBytes >= heldBytes {
		d.zipkins.Flush(d.add)
		d.zipkinBytes = 0
	}
	return err
}

// inner reads a record that is the value of another's field.
func (d *decoder) inner(text []byte, depth int) error {
	sc := jsonscan.New(text)
	var first error
	sc.Object(func(key []byte) {
		switch string(key) {
		case "result", "_source":
			if err := d.nested(sc.Raw(), depth); first == nil {
				first = err
			}
		}
	})
	return errors.Join(sc.Err(), first)
}

// hits reads the response to an Elasticsearch search.
func (d *decoder) hits(text []byte, depth int) error {
	sc := jsonscan.New(text)
	var first error
	sc.Object(func(key []byte) {
		if string(key) != "hits" {
			return
		}
		sc.Object(func(key []byte) {
			if string(key) != "hits" {
				return
			}
			sc.Array(func() {
				if err := d.nested(sc.Raw(), depth); first == nil {
					first = err
				}
			})
		})
	})
	return errors.Join(sc.Err(), first)
}
