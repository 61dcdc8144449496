// Package tempo reads traces in the responses of Grafana Tempo's API, in JSON or
// protobuf. The format is OTLP with other names for some fields. Grafana saves traces
// in this format, too.
package tempo

import (
	"bytes"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/internal/jsonscan"
	"github.com/tenhop/tenhop/trace/otlp"
)

// Unmarshal passes the spans of a response of /api/traces or /api/v2/traces to add.
func Unmarshal(b []byte, add func(traceID string, s trace.Span)) error {
	if head := bytes.TrimLeft(b, " \t\r\n"); len(head) > 0 && head[0] == '{' {
		return new(Decoder).Decode(b, add)
	}
	// tempopb.Trace has the fields of OTLP's TracesData. A response of version 2 holds it
	// in its first field.
	err := otlp.Unmarshal(b, add)
	if err == nil {
		return nil
	}
	num, kind, n := protowire.ConsumeTag(b)
	if n < 0 || num != 1 || kind != protowire.BytesType {
		return err
	}
	inner, m := protowire.ConsumeBytes(b[n:])
	if m < 0 || otlp.Unmarshal(inner, add) != nil {
		return err
	}
	return nil
}

// Decoder reads JSON. It interns recurring strings, so one Decoder should read many
// responses. The zero value is ready to use.
type Decoder struct{ otlp otlp.Decoder }

// Decode passes the spans of a JSON response to add: {"batches":[…]},
// {"trace":{"batches":[…]}}, or the same with resourceSpans. A span that cannot be read
// is skipped and reported in the error.
func (d *Decoder) Decode(b []byte, add func(traceID string, s trace.Span)) error {
	sc := jsonscan.New(b)
	var bad error
	known := false
	list := func(key []byte) {
		switch string(key) {
		case "batches", "resourceSpans", "resource_spans":
			known = true
			if err := d.otlp.DecodeList(sc.Raw(), add); err != nil && bad == nil {
				bad = err
			}
		}
	}
	sc.Object(func(key []byte) {
		if string(key) == "trace" {
			known = true
			sc.Object(list)
			return
		}
		list(key)
	})
	if err := sc.Err(); err != nil {
		return fmt.Errorf("not Tempo's JSON: %w", err)
	}
	if !known {
		return errors.New("not OTLP in Tempo's JSON: it has neither batches nor a trace")
	}
	return bad
}
