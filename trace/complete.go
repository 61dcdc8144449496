package trace

// Missing returns the spans whose parent is not in the trace, ordered by start. Load
// may have found another parent for them. The root is not among them, since the
// caller of a request may send no spans.
func (t *Tree) Missing() []int { return t.missing }

// Complete reports whether all spans except the root have their parent in the trace.
func (t *Tree) Complete() bool { return len(t.missing) == 0 }

// CalleeMissing reports whether a client span has no children although the service that
// it calls is known to send spans.
func (t *Tree) CalleeMissing(i int, known map[string]bool) bool {
	s := &t.trace.Spans[i]
	return s.Kind == Client && t.nodes[i].kids == 0 && known[s.Peer()]
}

// CompleteFor reports whether a trace is Complete and no span is CalleeMissing, given
// the services that are known to send spans.
func (t *Tree) CompleteFor(known map[string]bool) bool {
	if !t.Complete() {
		return false
	}
	for _, i := range t.order {
		if t.CalleeMissing(i, known) {
			return false
		}
	}
	return true
}
