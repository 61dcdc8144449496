package zlog

import (
	"log/slog"
	"reflect"
	"slices"

	"github.com/rs/zerolog"
)

// Keys is a set of the fields that the library adds to lines.
type Keys uint8

// The fields that a line has once.
const (
	KeyService Keys = 1 << iota
	KeyCorrelation
	KeyTrace
	KeySpan
)

// KeyOf returns the set with the field, or the empty set for a field that is none of the
// library's.
func KeyOf(name string) Keys {
	switch name {
	case "service":
		return KeyService
	case "correlation_id":
		return KeyCorrelation
	case "trace_id":
		return KeyTrace
	case "span_id":
		return KeySpan
	}
	return 0
}

// Without returns the attributes that are not in have, and their keys with those in have.
// The result shares memory with attrs unless one is left out.
func Without(have Keys, attrs []slog.Attr) ([]slog.Attr, Keys) {
	kept, copied := attrs, false
	for i, a := range attrs {
		k := KeyOf(a.Key)
		switch {
		case k != 0 && have&k != 0:
			if !copied {
				kept, copied = slices.Clone(attrs[:i]), true
			}
			continue
		case copied:
			kept = append(kept, a)
		}
		have |= k
	}
	return kept, have
}

// KeysOf returns the fields that a handler adds to each record by its own attributes. It
// knows the handlers of log/slog and loggers of zerolog, and looks through handlers that
// wrap another in a field.
func KeysOf(h slog.Handler) Keys { return keysIn(reflect.ValueOf(h), maxWrapped) }

// maxWrapped is the maximum number of values that KeysOf follows to the innermost handler.
const maxWrapped = 24

var (
	handlerType = reflect.TypeFor[slog.Handler]()
	zerologType = reflect.TypeFor[zerolog.Logger]()
	slogType    = reflect.TypeFor[slog.Logger]()
	commonType  = func() reflect.Type {
		f, _ := reflect.TypeFor[slog.JSONHandler]().FieldByName("commonHandler")
		return f.Type
	}()
)

func keysIn(v reflect.Value, depth int) Keys {
	if depth == 0 || !v.IsValid() {
		return 0
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return keysIn(v.Elem(), depth-1)
	case reflect.Struct:
	default:
		return 0
	}
	switch v.Type() {
	case zerologType:
		return keysOfJSON(bytesOf(v.FieldByName("context")))
	case reflect.TypeFor[slog.TextHandler](), reflect.TypeFor[slog.JSONHandler]():
		common := v.Field(0)
		if common.Kind() != reflect.Pointer || common.Type() != commonType || common.IsNil() {
			return 0
		}
		attrs := bytesOf(common.Elem().FieldByName("preformattedAttrs"))
		if v.Type() == reflect.TypeFor[slog.TextHandler]() {
			return keysOfText(attrs)
		}
		return keysOfJSON(attrs)
	}
	var keys Keys
	for i := range v.NumField() {
		if leadsToHandler(v.Type().Field(i).Type) {
			keys |= keysIn(v.Field(i), depth-1)
		}
	}
	return keys
}

func leadsToHandler(t reflect.Type) bool {
	return t == zerologType || t == slogType || t == reflect.PointerTo(slogType) || t == reflect.PointerTo(zerologType) ||
		t.Implements(handlerType) || reflect.PointerTo(t).Implements(handlerType)
}

// bytesOf returns the bytes of a field of another package, or nil when it has changed.
func bytesOf(f reflect.Value) []byte {
	if !f.IsValid() || f.Type() != reflect.TypeFor[[]byte]() {
		return nil
	}
	return f.Bytes()
}

// keysOfJSON returns the keys at the top level of a part of an object.
func keysOfJSON(b []byte) (keys Keys) {
	if len(b) > 0 && b[0] == '{' {
		b = b[1:]
	}
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			start := i + 1
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if depth == 0 && i+1 < len(b) && b[i+1] == ':' {
				keys |= KeyOf(string(b[start:i]))
			}
		}
	}
	return keys
}

// keysOfText returns the keys of key=value pairs.
func keysOfText(b []byte) (keys Keys) {
	start := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case ' ':
			start = i + 1
		case '=':
			keys |= KeyOf(string(b[start:i]))
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		}
	}
	return keys
}
