// Package drill runs drills. A drill injects a hidden fault into a running storefront and
// measures how long it takes until the latency rises, an alert fires and a hop is named. It
// scores the answer, lifts the fault and measures the recovery.
//
// The diagnosis cannot see the fault. It runs in a separate process, which gets the URLs
// of two back ends, an empty directory and no token.
package drill
