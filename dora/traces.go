package dora

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tenhop/tenhop/query"
)

// Searches of traces are samples: a version between two of them is missed.
const (
	traceSlots    = 48
	tracesPerSlot = 10
	maxServices   = 100
	halvings      = 12 // of the time between two sightings with different versions
)

// ReadTraces reads service.version of spans between from and to, for services whose metrics
// do not have it. It looks at ten traces of a service in each of 48 slots, and searches the
// time between two sightings for the change. A version that ran for less than a slot may be
// missed, and a deployment is seen by the first traced request after it.
func ReadTraces(ctx context.Context, t query.Tracer, from, to time.Time) (Versions, error) {
	out := Versions{Source: "traces", Seen: map[string][]Sighting{}, Revisions: map[[2]string]string{}, Resolution: fine}
	services, err := t.Services(ctx)
	if err != nil {
		return out, err
	}
	slot := to.Sub(from) / traceSlots
	covered := map[int]bool{}
	for _, service := range services[:min(len(services), maxServices)] {
		s := spans{t, service, map[time.Time]map[string]bool{}, out.Revisions}
		for n := range traceSlots {
			any, err := s.search(ctx, from.Add(time.Duration(n)*slot), from.Add(time.Duration(n+1)*slot))
			if err != nil {
				return out, err
			}
			if any {
				covered[n] = true
			}
		}
		if err := s.narrow(ctx); err != nil {
			return out, err
		}
		if list := overlapping(s.sightings()); len(list) > 0 {
			out.Seen[service] = list
		}
	}
	out.Covered = time.Duration(len(covered)) * slot
	return out, nil
}

// overlapping adds the versions of the last 5 minutes to each sighting. A span shows one
// version, although others run beside it while a new one is rolled out.
func overlapping(seen []Sighting) []Sighting {
	out := make([]Sighting, len(seen))
	for n, s := range seen {
		versions := slices.Clone(s.Versions)
		for k := n - 1; k >= 0 && s.At.Sub(seen[k].At) < settle; k-- {
			versions = append(versions, seen[k].Versions...)
		}
		slices.Sort(versions)
		out[n] = Sighting{s.At, slices.Compact(versions)}
	}
	return out
}

// spans collects the versions in the spans of a service.
type spans struct {
	query.Tracer
	service   string
	at        map[time.Time]map[string]bool
	revisions map[[2]string]string
}

// search adds the versions in traces of a time, and reports whether there are any.
func (s *spans) search(ctx context.Context, from, to time.Time) (any bool, err error) {
	found, err := s.Traces(ctx, query.Search{Service: s.service, From: from, To: to, Limit: tracesPerSlot})
	if err != nil {
		return false, err
	}
	for _, t := range found {
		for _, span := range t.Spans {
			v := span.Attribute("service.version")
			if span.Service != s.service || v == "" || span.Start.Before(from) || !span.Start.Before(to) {
				continue
			}
			if s.at[span.Start] == nil {
				s.at[span.Start] = map[string]bool{}
			}
			s.at[span.Start][v], any = true, true
			if rev := span.Attribute("vcs.ref.head.revision"); rev != "" {
				s.revisions[[2]string{s.service, v}] = rev
			}
		}
	}
	return any, nil
}

func (s *spans) sightings() []Sighting {
	var out []Sighting
	for _, t := range slices.SortedFunc(maps.Keys(s.at), time.Time.Compare) {
		out = append(out, Sighting{t, slices.Sorted(maps.Keys(s.at[t]))})
	}
	return out
}

// narrow halves the time between two sightings with different versions until they are 5 s
// apart.
func (s *spans) narrow(ctx context.Context) error {
	seen := s.sightings()
	for n := 1; n < len(seen); n++ {
		old, next := seen[n-1], seen[n]
		for range halvings {
			gap := next.At.Sub(old.At)
			if slices.Equal(old.Versions, next.Versions) || gap <= fine {
				break
			}
			middle := old.At.Add(gap / 2)
			if _, err := s.search(ctx, old.At.Add(1), middle); err != nil {
				return err
			}
			last := old
			for _, x := range s.sightings() {
				if x.At.After(old.At) && x.At.Before(middle) {
					last = x
				}
			}
			if slices.Equal(last.Versions, old.Versions) { // the change is in the second half
				if last.At.Equal(old.At) {
					last.At = middle
				}
				old = last
				continue
			}
			next = last
		}
	}
	return nil
}
