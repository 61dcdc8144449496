package trace

// Missing returns the spans whose parent is not in the trace, by their start. The
// root is not among them: a request's caller may send no spans. Load may have found
// another parent for them.
func (t *Tree) Missing() []int { return t.missing }

// Complete reports whether no span but the root lacks its parent.
func (t *Tree) Complete() bool { return len(t.missing) == 0 }

// CalleeMissing reports whether a span is a client's call to a service that has
// spans elsewhere, as known tells, but none here.
func (t *Tree) CalleeMissing(i int, known map[string]bool) bool {
	s := &t.trace.Spans[i]
	return s.Kind == Client && t.nodes[i].kids == 0 && known[s.Peer()]
}

// CompleteFor reports whether a trace is Complete and no call to a known service
// lacks its callee.
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
