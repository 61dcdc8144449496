package trace

// Relations returns, by span, the index of its parent as recorded, or None, and
// that of the span with which its service began the work that it belongs to: the
// topmost of those that lead to it without leaving the service. In a cycle that
// stays within one service, the span at which the walk up comes back is the topmost.
// Unlike Tree it adopts nothing and cuts no cycles of parents.
func Relations(tr *Trace) (parent, root []int) {
	spans := tr.Spans
	index := indexByID(spans)
	parent, root = make([]int, len(spans)), make([]int, len(spans))
	for i := range spans {
		parent[i], root[i] = None, None
		if p, ok := index[spans[i].Parent]; ok && spans[i].Parent != "" && p != i {
			parent[i] = p
		}
	}
	var path []int
	seen := make([]bool, len(spans))
	for i := range spans {
		path = path[:0]
		top := i
		for !seen[top] {
			seen[top] = true
			path = append(path, top)
			if p := parent[top]; p != None && spans[p].Service == spans[top].Service {
				top = p
			}
		}
		if root[top] != None { // an earlier walk came by
			top = root[top]
		}
		for _, j := range path {
			root[j] = top
		}
	}
	return parent, root
}

func indexByID(spans []Span) map[string]int {
	index := make(map[string]int, len(spans))
	for i := range spans {
		index[spans[i].ID] = i
	}
	return index
}
