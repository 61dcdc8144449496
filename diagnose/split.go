package diagnose

import (
	"cmp"
	"maps"
	"slices"
)

// split cuts the time of an entry's requests into parts that add up to it:
// self time by hop, waits for what is no hop, link gaps, and queues.
func split(ev Evidence, s spike) []suspect {
	e := s.entry.Entry
	flow := cmp.Or(e.Flow, "request")
	b := builder{found: map[key]*suspect{}}
	served := map[string][]float64{} // by service: time its hops took for the entry
	for _, h := range ev.Hops {
		if h.Entry != e.Operation || (flow == "request" && h.Flow != flow) {
			continue
		}
		b.add(key{hop: h.Service, kind: KindSelf}, h.Operation, h.Self, 1)
		if h.Flow == flow || flow == "async" {
			served[h.Service] = plus(served[h.Service], h.Duration, 1)
		}
	}
	for _, w := range ev.Waits {
		if w.Entry != e.Operation || (flow == "request" && w.Flow != flow) {
			continue
		}
		switch {
		case w.Kind == "caller":
			b.add(key{hop: w.Service, kind: KindLink, target: "caller"}, w.Operation, w.Sum, 1)
		case !isCall(w.Kind):
			b.add(key{hop: w.Service, kind: KindDependency, target: w.Dependency}, w.Operation, w.Sum, 1)
		case served[w.Dependency] != nil:
			// The callee is a hop itself: what it does not account for is the link.
			b.add(key{hop: w.Dependency, kind: KindLink, target: w.Service}, w.Operation, w.Sum, 1)
		case ev.Foreign[w.Dependency]:
			b.add(key{hop: w.Dependency, kind: KindSelf}, "", w.Sum, 1)
		default:
			b.add(key{hop: w.Service, kind: KindDependency, target: w.Dependency}, w.Operation, w.Sum, 1)
		}
	}
	b.linkGaps(served, s.baseline, s.now)
	if flow == "async" {
		for _, q := range ev.Queues {
			if q.Entry == e.Operation {
				b.add(key{hop: q.Service, kind: KindQueue, target: q.Operation}, q.Operation, q.Sum, 1)
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(b.found), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.hop, b.hop), cmp.Compare(a.kind, b.kind), cmp.Compare(a.target, b.target))
	})
	out := make([]suspect, 0, len(keys))
	for _, k := range keys {
		out = append(out, *b.found[k])
	}
	return out
}

func isCall(kind string) bool { return kind == "http" || kind == "grpc" }

type key struct{ hop, kind, target string }

type builder struct{ found map[key]*suspect }

func (b *builder) add(k key, operation string, v []float64, sign float64) {
	s := b.found[k]
	if s == nil {
		s = &suspect{Finding: Finding{Hop: k.hop, Kind: k.kind, Target: k.target}, parts: map[string][]float64{}}
		b.found[k] = s
	}
	s.series = plus(s.series, v, sign)
	if operation != "" {
		s.parts[operation] = plus(s.parts[operation], v, sign)
	}
}

// linkGaps takes what callees account for off their callers' waits. With
// several callers of one callee, each bears the part that its wait is of all,
// over a window as a whole: in a single step a caller may report its wait and
// the callee, scraped at another moment, not yet its work.
func (b *builder) linkGaps(served map[string][]float64, windows ...window) {
	for callee, took := range served {
		var callers []*suspect
		var all []float64
		for k, s := range b.found {
			if k.kind == KindLink && k.hop == callee && k.target != "caller" {
				callers = append(callers, s)
				all = plus(all, s.series, 1)
			}
		}
		for _, s := range callers {
			wait := s.series
			s.series = plus(wait, nil, 1)
			for _, w := range windows {
				total := w.sum(all)
				if total <= 0 {
					continue
				}
				part := w.sum(wait) / total
				for _, i := range w {
					s.series[i] = wait[i] - took[i]*part
				}
			}
			// The gap is the link's, not one operation's.
			s.parts = map[string][]float64{}
		}
	}
}

// plus returns a + sign·b as a slice of its own.
func plus(a, b []float64, sign float64) []float64 {
	out := make([]float64, max(len(a), len(b)))
	copy(out, a)
	for i, v := range b {
		out[i] += sign * v
	}
	return out
}
