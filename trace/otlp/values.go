package otlp

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tenhop/tenhop/trace/internal/jsonscan"
)

// attributes reads a list of keys and values.
func (r *reader) attributes() map[string]string {
	r.pairs = r.pairs[:0]
	r.Array(func() {
		if len(r.pairs) == jsonscan.MaxItems {
			return
		}
		var p pair
		r.Object(func(key []byte) {
			switch string(key) {
			case "key":
				p.key = r.names.Get(r.Text())
			case "value":
				p.value = r.value()
			}
		})
		r.pairs = append(r.pairs, p)
	})
	out := make(map[string]string, len(r.pairs))
	for _, p := range r.pairs {
		out[p.key] = p.value
	}
	return out
}

// value reads an AnyValue as text, as pcommon.Value.AsString renders it.
func (r *reader) value() string {
	var text string
	r.Object(func(key []byte) {
		switch string(key) {
		case "stringValue", "string_value", "intValue", "int_value", "boolValue", "bool_value", "bytesValue", "bytes_value":
			text = r.values.Get(r.Text())
		case "doubleValue", "double_value":
			text = number(r.values.Get(r.Text()))
		case "arrayValue", "array_value":
			text = compact(r.list(0))
		case "kvlistValue", "kvlist_value":
			text = compact(r.fields(0))
		}
	})
	return text
}

// number renders a floating-point number as pcommon does.
func number(text string) string {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	b, err := json.Marshal(v)
	if err != nil { // NaN or an infinity
		return text
	}
	return string(b)
}

// deepest is the maximum nesting depth of values. Deeper values are omitted.
const deepest = 32

func (r *reader) any(depth int) (v any) {
	r.Object(func(key []byte) {
		switch string(key) {
		case "stringValue", "string_value", "bytesValue", "bytes_value":
			v = string(r.Text())
		case "intValue", "int_value", "boolValue", "bool_value", "doubleValue", "double_value":
			if text := r.Text(); json.Valid(text) {
				v = json.RawMessage(bytes.Clone(text))
			} else {
				v = string(text)
			}
		case "arrayValue", "array_value":
			v = r.list(depth + 1)
		case "kvlistValue", "kvlist_value":
			v = r.fields(depth + 1)
		}
	})
	return v
}

func (r *reader) list(depth int) []any {
	out := []any{}
	r.Object(func(key []byte) {
		if string(key) == "values" && depth < deepest {
			r.Array(func() { out = append(out, r.any(depth)) })
		}
	})
	return out
}

func (r *reader) fields(depth int) map[string]any {
	out := map[string]any{}
	r.Object(func(key []byte) {
		if string(key) != "values" || depth >= deepest {
			return
		}
		r.Array(func() {
			var name string
			var v any
			r.Object(func(key []byte) {
				switch string(key) {
				case "key":
					name = string(r.Text())
				case "value":
					v = r.any(depth)
				}
			})
			out[name] = v
		})
	})
	return out
}

func compact(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// id returns an ID of size bytes in lower-case hexadecimal; empty when it is
// missing or zero.
func id(text []byte, size int) (string, bool) {
	var raw [16]byte
	switch {
	case len(text) == 0:
		return "", true
	case len(text) == 2*size:
		if _, err := hex.Decode(raw[:size], text); err != nil {
			return "", false
		}
	case size == 16 && len(text) == 35 && text[0] == '1' && text[1] == '-' && text[10] == '-':
		// X-Ray: 1, the epoch's 8 digits, 24 digits.
		var joined [32]byte
		copy(joined[copy(joined[:], text[2:10]):], text[11:])
		if _, err := hex.Decode(raw[:size], joined[:]); err != nil {
			return "", false
		}
	case size == 16 && len(text) == 16:
		// 64-bit trace IDs of Jaeger and B3.
		if _, err := hex.Decode(raw[8:], text); err != nil {
			return "", false
		}
	default:
		if !fromBase64(raw[:size], text) {
			return "", false
		}
	}
	if raw == [16]byte{} {
		return "", true
	}
	var out [32]byte
	hex.Encode(out[:], raw[:size])
	return string(out[:2*size]), true
}

// fromBase64 decodes either alphabet, padded or not.
func fromBase64(to, text []byte) bool {
	text = bytes.TrimRight(text, "=")
	if base64.RawStdEncoding.DecodedLen(len(text)) != len(to) {
		return false
	}
	if _, err := base64.RawStdEncoding.Decode(to, text); err == nil {
		return true
	}
	_, err := base64.RawURLEncoding.Decode(to, text)
	return err == nil
}
