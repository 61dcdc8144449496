package trace

import "testing"

// A trace without end does not fill the memory, and none of its spans is lost.
func TestAssemblerBounds(t *testing.T) {
	var parts []int
	a := NewAssembler(func(t Trace) { parts = append(parts, len(t.Spans)) })
	a.spans = 10
	for range 30 {
		a.Add("a", Span{})
	}
	a.Add("b", Span{})
	a.Flush()
	if len(parts) != 4 || parts[0] != 10 || parts[3] != 1 {
		t.Errorf("parts of %v spans", parts)
	}
}
