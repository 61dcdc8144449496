// Package typescript declares Go types in TypeScript as encoding/json writes them.
//
// It reads types by reflection. A generator that reads source code, such as tygo,
// declares whole packages. The page needs only the types that its API sends, which are
// in five packages.
package typescript

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Declarer collects declarations. The zero value is ready to use.
//
// Slices and maps are declared as never null, so the encoder must replace nil ones. A
// pointer is declared as null or, with omitempty, as optional.
type Declarer struct {
	Names map[reflect.Type]string // names that differ from Go's, to avoid conflicts between packages
	Raw   map[Member]reflect.Type // type of the JSON in a json.RawMessage; unknown otherwise

	declared map[string]declaration
}

// Member names a field of a struct type.
type Member struct {
	Struct reflect.Type
	Field  string
}

type declaration struct {
	of   reflect.Type
	text string
}

// Expression returns the TypeScript type of t. It declares the named structs and
// arrays within t. It fails for a type that has no fixed form in JSON, and for
// two types of the same name.
func (d *Declarer) Expression(t reflect.Type) (string, error) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "string", nil
	case t == reflect.TypeFor[json.RawMessage]():
		return "unknown", nil
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return "string", nil
	case t.Implements(reflect.TypeFor[json.Marshaler]()):
		return "", fmt.Errorf("%v writes its own JSON", t)
	}
	switch t.Kind() {
	case reflect.String:
		return "string", nil
	case reflect.Bool:
		return "boolean", nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return "number", nil
	case reflect.Interface:
		return "unknown", nil
	case reflect.Pointer:
		return d.Expression(t.Elem())
	case reflect.Slice:
		elem, err := d.Expression(t.Elem())
		return elem + "[]", err
	case reflect.Map:
		elem, err := d.Expression(t.Elem())
		return "Record<string, " + elem + ">", err
	case reflect.Array:
		return d.named(t, d.tuple)
	case reflect.Struct:
		return d.named(t, d.object)
	}
	return "", fmt.Errorf("%v has no form in JSON", t)
}

// named declares t once and returns its name. An unnamed type is written inline.
func (d *Declarer) named(t reflect.Type, write func(reflect.Type) (string, error)) (string, error) {
	name := t.Name()
	if other, ok := d.Names[t]; ok {
		name = other
	}
	if name == "" {
		return write(t)
	}
	if known, ok := d.declared[name]; ok {
		if known.of != t {
			return "", fmt.Errorf("%v and %v are both named %s; name one of them otherwise", known.of, t, name)
		}
		return name, nil
	}
	if d.declared == nil {
		d.declared = map[string]declaration{}
	}
	d.declared[name] = declaration{of: t} // before its members, which may refer to it
	text, err := write(t)
	d.declared[name] = declaration{of: t, text: text}
	return name, err
}

func (d *Declarer) tuple(t reflect.Type) (string, error) {
	elem, err := d.Expression(t.Elem())
	return "[" + strings.Join(slices.Repeat([]string{elem}, t.Len()), ", ") + "]", err
}

func (d *Declarer) object(t reflect.Type) (string, error) {
	var b strings.Builder
	b.WriteString("{\n")
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" || !promoted(t, f) {
			continue
		}
		if name == "" {
			return "", fmt.Errorf("%v.%s has no name in JSON", t, f.Name)
		}
		of, inner := f.Type, t
		if len(f.Index) > 1 { // of an embedded struct
			inner = t.FieldByIndex(f.Index[:len(f.Index)-1]).Type
		}
		raw, isRaw := d.Raw[Member{inner, f.Name}]
		if isRaw {
			of = raw
		}
		value, err := d.Expression(of)
		if err != nil {
			return "", fmt.Errorf("%v.%s: %w", t, f.Name, err)
		}
		optional := ""
		switch omitted := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero"); {
		case omitted:
			optional = "?"
		case f.Type.Kind() == reflect.Pointer || isRaw:
			value += " | null"
		}
		fmt.Fprintf(&b, "  %s%s: %s;\n", name, optional, value)
	}
	b.WriteString("}")
	return b.String(), nil
}

// promoted reports whether f, a visible field of t, is t's own or reached through
// embedded structs that JSON flattens.
func promoted(t reflect.Type, f reflect.StructField) bool {
	for i := 1; i < len(f.Index); i++ {
		if tag, ok := t.FieldByIndex(f.Index[:i]).Tag.Lookup("json"); ok && !strings.HasPrefix(tag, ",") {
			return false
		}
	}
	return true
}

// Declarations returns all types declared so far, by name.
func (d *Declarer) Declarations() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(d.declared)) {
		fmt.Fprintf(&b, "export type %s = %s;\n", name, d.declared[name].text)
	}
	return b.String()
}
