package adapter

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"
)

// A sampler that appends to the attributes of an operation does not change those of another
// span.
func TestFixedAttributesAreNotShared(t *testing.T) {
	f := Fix(append(make([]attribute.KeyValue, 0, 4), attribute.String("a", "1"))...)
	one, two := append(f.list(), attribute.Int("span", 1)), append(f.list(), attribute.Int("span", 2))
	if one[1] == two[1] {
		t.Errorf("both have %v", one[1])
	}
}
