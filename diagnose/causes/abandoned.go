package causes

import (
	"fmt"
	"slices"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// givenUp holds the values of error.type of requests that were served no longer because their
// caller gave up: the middleware's, the gRPC codes by name and number, and nginx's 499.
var givenUp = []string{"canceled", "CANCELLED", "CANCELED", "1", "DEADLINE_EXCEEDED", "4", "499"}

// Requests given up that are a cause.
const (
	minGivenUp      = 3  // requests
	minGivenUpShare = .1 // of those that ended
	maxGivenUpUsual = .2 // of that share, before
)

// abandoned returns the cause of a hop whose own time ends when callers give up: its requests
// would not have returned. It is not sure, since a slow request that would have returned is
// given up as well.
func abandoned(f result.Finding, q Question) []candidate {
	if q.Metrics.Step == 0 || f.Kind != result.KindSelf {
		return nil
	}
	windows := [2]evidence.Window{stepsIn(q.Metrics, q.Result.BaselineRanges()), stepsIn(q.Metrics, []result.Range{q.Result.Window})}
	var ended, gone [2]float64
	for _, c := range q.Metrics.Calls {
		if c.Service != f.Hop || c.Dependency != "" || f.Operation != "" && c.Operation != f.Operation {
			continue
		}
		for i, w := range windows {
			ended[i] += w.Sum(c.Count)
			for kind, n := range c.Types {
				if slices.Contains(givenUp, kind) {
					gone[i] += w.Sum(n)
				}
			}
		}
	}
	usual, now := gone[0]/max(ended[0], 1), gone[1]/max(ended[1], 1)
	if gone[1] < minGivenUp || now < minGivenUpShare || usual > maxGivenUpUsual*now {
		return nil
	}
	return []candidate{{service: f.Hop, share: sureDirect, Cause: result.Cause{Kind: result.CauseFrozen,
		Why:      fmt.Sprintf("requests hang in %s: %.0f of %.0f did not return before their callers gave up", f.Hop, gone[1], ended[1]),
		Evidence: []result.Signal{{Signal: "requests that callers gave up", Before: round(100 * usual), Now: round(100 * now), Unit: "%"}}}}}
}
