package signals

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Names lists label names in order of preference. In YAML and JSON it may be one string.
type Names []string

// UnmarshalYAML decodes a string or a list of strings.
func (n *Names) UnmarshalYAML(decode func(any) error) error {
	var one string
	if decode(&one) == nil {
		*n = Names{one}
		return nil
	}
	return decode((*[]string)(n))
}

// UnmarshalJSON decodes a string or a list of strings.
func (n *Names) UnmarshalJSON(b []byte) error {
	return n.UnmarshalYAML(func(to any) error { return json.Unmarshal(b, to) })
}

// Labels maps what a label means to the label names that a Prometheus has for it. They
// are looked up before the names of the conventions. The keys are those of Meanings.
type Labels map[string]Names

// Meanings returns the keys of Labels.
func Meanings() []string {
	return []string{"service", "instance", "operation", "entry", "status", "dependency"}
}

// Check returns an error for each key that is not in Meanings and each name that cannot
// be a label name.
func (l Labels) Check() error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(l)) {
		if !slices.Contains(Meanings(), key) {
			errs = append(errs, fmt.Errorf("labels: %q is not known; use one of %s", key, strings.Join(Meanings(), ", ")))
		}
		if len(l[key]) == 0 {
			errs = append(errs, fmt.Errorf("labels: %s names no label", key))
		}
		for _, name := range l[key] {
			if name == "" || !utf8.ValidString(name) || strings.HasPrefix(name, "__") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
				errs = append(errs, fmt.Errorf("labels: %s: %q is not the name of a label", key, name))
			}
		}
	}
	return errors.Join(errs...)
}

// Add adds MEANING=LABEL, the form of a command-line flag.
func (l Labels) Add(pair string) error {
	key, name, ok := strings.Cut(pair, "=")
	if !ok {
		return fmt.Errorf("%q is not MEANING=LABEL, such as service=app", pair)
	}
	l[key] = append(l[key], name)
	return Labels{key: {name}}.Check()
}

// ServiceOf returns the service that exports a series: the value of the first label in own
// or ServiceLabels that is not empty. Of namespace/name, the name counts. targetInfo is
// service.name of the target's target_info, which comes before the job; it may be "".
func ServiceOf(labels map[string]string, own Names, targetInfo string) string {
	names := ServiceLabels()
	last := len(names) - 1
	v := cmp.Or(First(labels, own), First(labels, names[:last]), targetInfo, labels[names[last]])
	return strings.TrimSpace(v[strings.LastIndex(v, "/")+1:])
}
