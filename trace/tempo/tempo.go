// Package tempo reads traces in the answers of Grafana Tempo's API, which
// Grafana's pages save, too: OTLP under other names, in JSON or protobuf.
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

// Unmarshal hands the spans of an answer to /api/traces or /api/v2/traces to
// add.
func Unmarshal(b []byte, add func(traceID string, s trace.Span)) error {
	if head := bytes.TrimLeft(b, " \t\r\n"); len(head) > 0 && head[0] == '{' {
		return new(Decoder).Decode(b, add)
	}
	// tempopb.Trace has the fields of OTLP's TracesData. The second version's
	// answer holds it in its first field.
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

// Decoder reads JSON. Many answers should be read by one Decoder. The zero
// value is ready.
type Decoder struct{ otlp otlp.Decoder }

// Decode hands the spans of an answer in JSON to add: {"batches":[…]},
// {"trace":{"batches":[…]}}, or the same with resourceSpans. A span that cannot
// be read is left out, and is in the error.
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
