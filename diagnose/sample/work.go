package sample

// effort is the self time of a suspect per request in seconds, on the critical path or
// beside it.
type effort struct{ was, is float64 }

func (e effort) added() float64 { return e.is - e.was }

// work returns the efforts of all suspects.
func (s *Sample) work(base, now Requests) map[suspect]effort {
	before, after := base.profile(len(s.places)), now.profile(len(s.places))
	out := map[suspect]effort{}
	for i, p := range s.places {
		k := s.suspectOf(p)
		e := out[k]
		out[k] = effort{e.was + before.all[i], e.is + after.all[i]}
	}
	return out
}

// effortsOf returns the self time of a suspect in each request, in seconds.
func (s *Sample) effortsOf(k suspect, of Requests) []float64 {
	out := make([]float64, len(of.requests))
	for i, r := range of.requests {
		for _, c := range r.costs {
			if s.suspectOf(s.places[c.place]) == k {
				out[i] += c.all.Seconds()
			}
		}
	}
	return out
}
