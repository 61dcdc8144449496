package file

import (
	"strings"
	"testing"
)

// Every field has a bit of its own, and no shape hides a later one altogether.
func TestShapes(t *testing.T) {
	if n := len(known.fields); n > 64 {
		t.Fatalf("%d fields, a set holds 64", n)
	}
	for i, s := range shapes {
		if known.needs[i] == 0 || (s.read == unread) == (s.remedy == "") {
			t.Errorf("%+v", s)
		}
		for j, before := range shapes[:i] {
			if known.needs[i]&known.needs[j] == known.needs[j] && (!before.whole || s.whole) {
				t.Errorf("%q is never reached: %q comes before", s.fields, before.fields)
			}
		}
		for name := range strings.FieldsSeq(s.fields) {
			if strings.Count(name, ".") > 1 {
				t.Errorf("%q: fields are noted two deep only", name)
			}
		}
	}
}
