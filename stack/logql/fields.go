package logql

import (
	"bytes"
	"encoding/json"
	"strings"
)

// parseJSON makes a label of every field: nested ones are joined by _, arrays
// are left out, and a name that a stream label has gets _extracted, as in Loki.
func parseJSON(e *Entry) bool {
	var object map[string]any
	dec := json.NewDecoder(bytes.NewReader([]byte(e.Line)))
	dec.UseNumber()
	if err := dec.Decode(&object); err != nil {
		e.Labels["__error__"] = "JSONParserErr"
		return true
	}
	stream := make(map[string]bool, len(e.Labels))
	for k := range e.Labels {
		stream[k] = true
	}
	addFields(e.Labels, stream, "", object)
	return true
}

func addFields(labels map[string]string, stream map[string]bool, prefix string, object map[string]any) {
	for k, v := range object {
		name := prefix + labelName(k)
		var value string
		switch v := v.(type) {
		case map[string]any:
			addFields(labels, stream, name+"_", v)
			continue
		case string:
			value = v
		case json.Number:
			value = v.String()
		case bool:
			value = "false"
			if v {
				value = "true"
			}
		default: // arrays and null
			continue
		}
		addLabel(labels, stream, name, value)
	}
}

func addLabel(labels map[string]string, stream map[string]bool, name, value string) {
	if stream[name] {
		if labels[name] == value {
			return // the same fact twice
		}
		name += "_extracted"
	}
	labels[name] = value
}

// parseLogfmt reads key=value pairs; values may be quoted.
func parseLogfmt(e *Entry) bool {
	stream := make(map[string]bool, len(e.Labels))
	for k := range e.Labels {
		stream[k] = true
	}
	rest := strings.TrimSpace(e.Line)
	for rest != "" {
		key, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		if i := strings.LastIndexByte(key, ' '); i >= 0 {
			key = key[i+1:]
		}
		var value string
		if strings.HasPrefix(after, `"`) {
			value, rest = quotedValue(after)
		} else {
			value, rest, _ = strings.Cut(after, " ")
		}
		if key != "" {
			addLabel(e.Labels, stream, labelName(key), value)
		}
		rest = strings.TrimSpace(rest)
	}
	return true
}

func quotedValue(s string) (value, rest string) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			var v string
			if err := json.Unmarshal([]byte(s[:i+1]), &v); err != nil {
				v = s[1:i]
			}
			return v, s[i+1:]
		}
	}
	return strings.TrimPrefix(s, `"`), ""
}

// labelName replaces what a label name must not hold.
func labelName(s string) string {
	return strings.Map(func(r rune) rune {
		if isWord(r) {
			return r
		}
		return '_'
	}, s)
}
