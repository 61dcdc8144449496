package adapter

import (
	"math"
	"testing"
)

// The contexts that are kept stay bounded, however many operations there were.
func TestProfileLabelsBound(t *testing.T) {
	var l profileLabels
	l.size.Store(math.MaxInt32)
	for _, op := range []string{"a", "b"} {
		l.of(t.Context(), op)
		if _, kept := l.contexts.Load(op); kept {
			t.Errorf("%s is kept beyond the limit", op)
		}
	}
}
