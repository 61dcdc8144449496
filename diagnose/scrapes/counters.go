package scrapes

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"time"
)

// Series is a counter of the middleware: a value that grows with each request that a hop
// has handled.
type Series struct {
	Service, Name string
	Labels        map[string]string
	points        []point
}

// point is the value of a counter from a time on.
type point struct {
	at    time.Time
	value float64
}

// At returns the value at a time.
func (s *Series) At(at time.Time) float64 {
	i := sort.Search(len(s.points), func(i int) bool { return s.points[i].at.After(at) })
	if i == 0 {
		return 0
	}
	return s.points[i-1].value
}

// Counters returns the counters of all services up to a time: hop_self_duration_seconds,
// hop_duration_seconds and hop_wait_duration_seconds.
func (f *Fleet) Counters(until time.Time) []*Series {
	found := map[string]*Series{}
	add := func(at time.Time, service, name string, amount float64, labels ...string) {
		key := service + name
		for _, l := range labels {
			key += " " + l
		}
		s := found[key]
		if s == nil {
			s = &Series{Service: service, Name: name, Labels: map[string]string{"service_name": service, "flow": "request"}}
			for i := 0; i < len(labels); i += 2 {
				s.Labels[labels[i]] = labels[i+1]
			}
			found[key] = s
		}
		s.points = append(s.points, point{at, amount})
	}
	for second := int64(0); second <= int64(until.Sub(f.Began).Seconds()); second++ {
		for _, r := range f.requests(second) {
			entry := f.hops[r.entry].operation
			for _, v := range r.visits {
				h := f.hops[v.hop]
				done := r.start.Add(time.Duration(v.to * 1e9))
				add(done, h.service, "hop_self_duration_seconds_sum", v.self, "operation", h.operation, "entry", entry)
				add(done, h.service, "hop_duration_seconds_sum", v.to-v.from, "operation", h.operation, "entry", entry)
				add(done, h.service, "hop_duration_seconds_count", 1, "operation", h.operation, "entry", entry)
				if v.caller >= 0 {
					caller := f.hops[r.visits[v.caller].hop]
					callerDone := r.start.Add(time.Duration(r.visits[v.caller].to * 1e9))
					add(callerDone, caller.service, "hop_wait_duration_seconds_sum", v.back-v.sent+link,
						"operation", caller.operation, "entry", entry, "dependency", h.service, "dependency_kind", "http")
				}
				if f.Faults.Stopped != nil || f.Faults.Killed != nil {
					f.others(r, v, add)
				}
				for _, le := range f.Bounds {
					if v.caller < 0 && v.to-v.from <= le {
						add(done, h.service, "hop_duration_seconds_bucket", 1, "operation", h.operation, "entry", entry, "le", fmt.Sprint(le))
					}
				}
				if v.caller < 0 && f.Bounds != nil {
					add(done, h.service, "hop_duration_seconds_bucket", 1, "operation", h.operation, "entry", entry, "le", "+Inf")
				}
			}
		}
	}
	var out []*Series
	for _, s := range found {
		slices.SortFunc(s.points, func(a, b point) int { return a.at.Compare(b.at) })
		for i := 1; i < len(s.points); i++ {
			s.points[i].value += s.points[i-1].value
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Series) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Labels["operation"], b.Labels["operation"]))
	})
	return out
}

// Native returns the histogram of the durations of the requests of the first operation,
// until a time: the number by duration in seconds, up to the moment given. Moments must
// not descend.
func (f *Fleet) Native(until time.Time) (operation string, at func(time.Time) map[float64]float64) {
	type ended struct {
		at   time.Time
		took float64
	}
	var all []ended
	for second := int64(0); second <= int64(until.Sub(f.Began).Seconds()); second++ {
		for _, r := range f.requests(second) {
			if v := r.visits[0]; v.hop == 0 {
				// Durations of one bucket are one value, so that the numbers stay few.
				took := math.Exp2(math.Ceil(16*math.Log2(v.to-v.from)) / 16)
				all = append(all, ended{r.start.Add(time.Duration(v.to * 1e9)), took})
			}
		}
	}
	slices.SortFunc(all, func(a, b ended) int { return a.at.Compare(b.at) })
	counted, n := map[float64]float64{}, 0
	return f.hops[0].operation, func(at time.Time) map[float64]float64 {
		for ; n < len(all) && !all[n].at.After(at); n++ {
			counted[all[n].took]++
		}
		return maps.Clone(counted)
	}
}
