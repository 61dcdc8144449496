package dora

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Versions holds which versions of which services were seen when.
type Versions struct {
	Source     string                // prometheus or traces
	Seen       map[string][]Sighting // by service, oldest first
	Revisions  map[[2]string]string  // commit by service and version, if a service reports it
	Covered    time.Duration         // time with evidence of any version
	Resolution time.Duration         // of the times of sightings around a deployment
}

// Sighting holds the versions of a service that were seen at a time. There is at least one.
type Sighting struct {
	At       time.Time
	Versions []string // sorted
}

// newest returns a version of the last sighting of a service.
func (v Versions) newest(service string) string {
	seen := v.Seen[service]
	if len(seen) == 0 {
		return ""
	}
	last := seen[len(seen)-1].Versions
	return last[len(last)-1]
}

// settle is the time after which a version that runs alone is the service's, although a
// newer one was seen: a canary that was withdrawn.
const settle = 5 * time.Minute

// deployments finds the deployments in the sightings of a service. The versions of the
// first sighting are no deployments: nothing shows when they began to run. A version that
// ran before is deployed again, by a rollback, if it was gone, returns, and runs alone. A
// version that is not seen for a moment is no deployment when it is seen again.
func deployments(service string, seen []Sighting, revisions map[[2]string]string) []Deployment {
	var out []Deployment
	order := map[string]int{}          // of all versions so far, by the time they were first seen
	returned := map[string]time.Time{} // versions that came back beside others
	var current string                 // deployed last
	var before []string                // of the sighting before
	var alone time.Time
	deploy := func(v string, at time.Time) {
		old := current
		if old == "" || old == v {
			old = strings.Join(slices.DeleteFunc(slices.Clone(before), func(b string) bool { return b == v }), ", ")
		}
		d := Deployment{Service: service, Version: v, Before: old, Seen: at, revision: revisions[[2]string{service, v}]}
		var first int
		if first, d.again = order[v]; d.again {
			d.Rollback = first < order[current]
		} else {
			order[v] = len(out) + 1
		}
		out, current = append(out, d), v
		clear(returned)
	}
	for n, s := range seen {
		if n == 0 {
			for _, v := range s.Versions {
				order[v] = 0
			}
		}
		for _, v := range s.Versions {
			switch {
			case n == 0 || slices.Contains(before, v):
			case v == current:
			case ran(order, v):
				returned[v] = s.At
			default:
				deploy(v, s.At)
			}
		}
		maps.DeleteFunc(returned, func(v string, _ time.Time) bool { return !slices.Contains(s.Versions, v) })
		if len(s.Versions) > 1 {
			alone = time.Time{}
		} else if v := s.Versions[0]; n == 0 {
			current = v
		} else if at, ok := returned[v]; ok && current != "" {
			deploy(v, at)
		} else if v != current {
			if alone.IsZero() || !slices.Equal(before, s.Versions) {
				alone = s.At
			}
			if s.At.Sub(alone) >= settle {
				current = v
			}
		}
		before = s.Versions
	}
	return out
}

func ran(order map[string]int, version string) bool {
	_, ok := order[version]
	return ok
}

func compareNames(a, b Deployment) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Version, b.Version))
}
