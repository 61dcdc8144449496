package scrapes

import (
	"hash/fnv"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// Damage describes how spans are lost, changed or delayed between a service and the store of
// traces. It depends on IDs and names alone, so a span has the same damage each time. The zero value has none.
type Damage struct {
	Lost       float64       // share of the spans that are never stored
	Skew       time.Duration // largest error of a service's clock, either way
	Duplicated float64       // share of the spans that are stored twice
	Late       float64       // share of the spans that are stored LateBy later
	LateBy     time.Duration
}

// uniform returns a number in [0, 1) that depends on its arguments.
func uniform(parts ...string) float64 {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	x := h.Sum64() // its high bits depend little on the last bytes
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// Apply returns traces as they are stored at now.
func (d Damage) Apply(traces []trace.Trace, now time.Time) []trace.Trace {
	if d == (Damage{}) {
		return traces
	}
	var out []trace.Trace
	for _, t := range traces {
		kept := trace.Trace{ID: t.ID}
		for _, s := range t.Spans {
			if uniform(t.ID, s.ID, "lost") < d.Lost {
				continue
			}
			if uniform(t.ID, s.ID, "late") < d.Late && s.End().Add(d.LateBy).After(now) {
				continue
			}
			s.Start = s.Start.Add(time.Duration((2*uniform(s.Service, "clock") - 1) * float64(d.Skew)))
			kept.Spans = append(kept.Spans, s)
			if uniform(t.ID, s.ID, "twice") < d.Duplicated {
				kept.Spans = append(kept.Spans, s)
			}
		}
		if len(kept.Spans) > 0 {
			out = append(out, kept)
		}
	}
	return out
}
