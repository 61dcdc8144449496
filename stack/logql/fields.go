package logql

import (
	"bytes"
	"encoding/json"
	"strings"
)

// parseJSON sets a label for each field, as Loki does. Names of nested fields are
// joined by _, arrays are skipped, and names of stream labels get the suffix
// _extracted.
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
			return // the field repeats the label
		}
		name += "_extracted"
	}
	labels[name] = value
}

// parseLogfmt sets a label for each key=value pair. Values may be quoted.
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

// labelName replaces the characters that are invalid in a label name by _.
func labelName(s string) string {
	return strings.Map(func(r rune) rune {
		if isWord(r) {
			return r
		}
		return '_'
	}, s)
}
