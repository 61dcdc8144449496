package trace

// Relations returns two indices for each span. parent is its recorded parent, or None.
// root is the topmost ancestor that is reached without leaving the span's service,
// possibly the span itself. It takes linear time. Unlike Load it adopts no orphans and
// keeps cycles; in a cycle within one service all spans have the same root.
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
		if root[top] != None { // an earlier walk reached it
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
