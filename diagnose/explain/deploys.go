package explain

import (
	"maps"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// Deploys adds the versions of services (service.version) that occur in the traces of
// now and not in those of before. Services without a version in before are skipped.
func Deploys(res *result.Result, now, before []trace.Trace) {
	old := map[string]map[string]bool{}
	for _, t := range before {
		for _, s := range t.Spans {
			if v := s.Attribute("service.version"); v != "" {
				if old[s.Service] == nil {
					old[s.Service] = map[string]bool{}
				}
				old[s.Service][v] = true
			}
		}
	}
	first := map[[2]string]time.Time{}
	for _, t := range now {
		for _, s := range t.Spans {
			v := s.Attribute("service.version")
			if v == "" || old[s.Service] == nil || old[s.Service][v] {
				continue
			}
			k := [2]string{s.Service, v}
			if at, ok := first[k]; !ok || s.Start.Before(at) {
				first[k] = s.Start
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(first), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		was := slices.Sorted(maps.Keys(old[k[0]]))
		res.Deploys = append(res.Deploys, result.Deploy{Service: k[0], Version: k[1], Before: was[len(was)-1], Seen: first[k]})
	}
}
