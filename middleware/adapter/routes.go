package adapter

import "sync/atomic"

// A process has lost its routes when of its first or later requests, at least
// unmatchedSample, nine in ten were unmatched.
const (
	unmatchedSample = 200
	unmatchedShare  = 0.9
)

// routeCount counts the requests with and without a route.
type routeCount struct {
	warned             atomic.Bool
	matched, unmatched atomic.Int64
}

// CountRoute counts a request that was handled, and whether its route is known. warn is
// true once in a process: when most requests of all its handlers have no route.
func (t *Core) CountRoute(known bool) (unmatched, matched int64, warn bool) {
	c := &t.routes
	if c.warned.Load() {
		return 0, 0, false
	}
	if known {
		c.matched.Add(1)
		return 0, 0, false
	}
	n, m := c.unmatched.Add(1), c.matched.Load()
	if n >= unmatchedSample && float64(n) >= unmatchedShare*float64(n+m) && c.warned.CompareAndSwap(false, true) {
		return n, m, true
	}
	return n, m, false
}
