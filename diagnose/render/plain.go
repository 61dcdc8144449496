package render

import (
	"reflect"
	"strings"
	"unicode"
)

// plain returns a copy of v in which unprintable characters of all strings are replaced
// by "?". Names come from spans, and control characters would reach the terminal.
func plain[T any](v T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	out.Set(reflect.ValueOf(v))
	clean(out)
	return out.Interface().(T)
}

// clean replaces unprintable characters in v. It copies pointers and slices before it
// changes what they refer to.
func clean(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Map(printable, v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			c := reflect.New(v.Type().Elem())
			c.Elem().Set(v.Elem())
			v.Set(c)
			clean(c.Elem())
		}
	case reflect.Slice:
		if !v.IsNil() {
			c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(c, v)
			v.Set(c)
			for i := range c.Len() {
				clean(c.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				clean(v.Field(i))
			}
		}
	}
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}
