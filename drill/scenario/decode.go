package scenario

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Decode reads a scenario from YAML. It accepts only the fields of the package's types.
// The error lists what is wrong, one line each, as "FILE:LINE: what; what is allowed". known
// may be nil; names of services and operations are not checked then.
func Decode(file string, data []byte, known Known) (Scenario, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return Scenario{}, fmt.Errorf("%s:1: the file is empty; a scenario has the fields %s", file, strings.Join(names(reflect.TypeFor[Scenario]()), ", "))
		}
		return Scenario{}, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var rest yaml.Node
	if err := dec.Decode(&rest); !errors.Is(err, io.EOF) {
		return Scenario{}, fmt.Errorf("%s:%d: a file holds one scenario", file, max(rest.Line, 1))
	}
	c := checker{file: file}
	c.shape(doc.Content[0], reflect.TypeFor[Scenario]())
	if len(c.errs) > 0 {
		return Scenario{}, errors.Join(c.errs...)
	}
	var s Scenario
	if err := convert(doc.Content[0], &s); err != nil {
		return Scenario{}, fmt.Errorf("%s: %w", file, err)
	}
	c.meaning(doc.Content[0], s, known)
	return s, errors.Join(c.errs...)
}

// convert decodes a node by way of JSON, whose field names are the only ones.
func convert(n *yaml.Node, into any) error {
	var v any
	if err := n.Decode(&v); err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// hidden lists the fields of faults that the drill sets.
var hidden = []string{"id", "sealed"}

// fields returns the types of a struct's fields by name, with those of embedded structs.
func fields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			for k, v := range fields(f.Type) {
				out[k] = v
			}
		case f.IsExported() && name != "" && name != "-" && !slices.Contains(hidden, name):
			out[name] = f.Type
		}
	}
	return out
}

// names returns the names of a struct's fields, sorted.
func names(t reflect.Type) []string {
	var out []string
	for name := range fields(t) {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// checker collects what is wrong with a file.
type checker struct {
	file string
	errs []error
}

func (c *checker) add(n *yaml.Node, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s:%d: %s", c.file, n.Line, fmt.Sprintf(format, args...)))
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// shape checks that a node can be decoded into a type.
func (c *checker) shape(n *yaml.Node, t reflect.Type) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		c.add(n, "a value is missing; wanted is %s", wanted(t))
		return
	}
	switch {
	case reflect.PointerTo(t).Implements(textType):
		if n.Kind != yaml.ScalarNode {
			c.add(n, "wanted is %s", wanted(t))
		} else if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
			c.add(n, "%v", err)
		}
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		c.mapping(n, t)
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			c.add(n, "wanted is %s", wanted(t))
			return
		}
		for _, item := range n.Content {
			c.shape(item, t.Elem())
		}
	default:
		if n.Kind != yaml.ScalarNode || !slices.Contains(tags(t), n.Tag) {
			c.add(n, "%s: wanted is %s", shown(n), wanted(t))
		}
	}
}

// mapping checks the keys and values of a struct or map.
func (c *checker) mapping(n *yaml.Node, t reflect.Type) {
	if n.Kind != yaml.MappingNode {
		c.add(n, "wanted is %s", wanted(t))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			c.add(key, "%q is given twice", key.Value)
			continue
		}
		seen[key.Value] = true
		if t.Kind() == reflect.Map {
			c.shape(value, t.Elem())
			continue
		}
		if of, ok := fields(t)[key.Value]; ok {
			c.shape(value, of)
		} else {
			c.add(key, "there is no field %q here; the fields are %s", key.Value, strings.Join(names(t), ", "))
		}
	}
}

// tags returns the YAML tags of the scalars that can be decoded into a type.
func tags(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.String:
		return []string{"!!str"}
	case reflect.Float64:
		return []string{"!!int", "!!float"}
	case reflect.Bool:
		return []string{"!!bool"}
	}
	return []string{"!!int"}
}

// wanted describes the values of a type.
func wanted(t reflect.Type) string {
	switch {
	case reflect.PointerTo(t).Implements(textType):
		return "a duration such as 500ms or 2m"
	case t.Kind() == reflect.Struct:
		return "a mapping with the fields " + strings.Join(names(t), ", ")
	case t.Kind() == reflect.Map:
		return "a mapping of names to values, each " + wanted(t.Elem())
	case t.Kind() == reflect.Slice:
		return "a list, each item " + wanted(t.Elem())
	case t.Kind() == reflect.String:
		return "text, in quotes if it looks like a number"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return "a whole number"
}

func shown(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return "a list or mapping"
}
