//go:build linux

package torture

import (
	"slices"
	"testing"
	"time"
)

// A seed determines the faults of a run, which are of every kind.
func TestPlan(t *testing.T) {
	a := plan(7, 10*time.Minute)
	if !slices.Equal(a, plan(7, 10*time.Minute)) || slices.Equal(a, plan(8, 10*time.Minute)) {
		t.Error("the seed does not determine the plan")
	}
	seen := map[kind]int{}
	for _, b := range a {
		seen[b.kind]++
	}
	for _, k := range kinds {
		if seen[k] < 10 {
			t.Errorf("%d %s in ten minutes", seen[k], k)
		}
	}
}
