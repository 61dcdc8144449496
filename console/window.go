package console

import (
	"context"
	"math"
	"sync"
	"time"
)

// window remembers how often targets are scraped.
type window struct {
	mu       sync.Mutex
	asked    time.Time
	interval time.Duration // 0 while it is not known
}

const (
	leastWindow = 30 * time.Second
	// scrapesPerRate lets a rate survive missed scrapes, as Grafana's
	// $__rate_interval does.
	scrapesPerRate = 4
	windowEvery    = time.Minute // how long an answer holds

	// scrapes is how often the target that is scraped most often is, a second:
	// over half a minute where that tells, as it does soon after a start.
	scrapes = `max((count_over_time(up[30s]) > 3) / 30 or count_over_time(up[5m]) / 300)`
)

// rateWindow is over how long rates are taken: leastWindow, or longer where
// targets are scraped so seldom that it would hold too few samples.
func (c *Console) rateWindow(ctx context.Context) time.Duration {
	return max(leastWindow, scrapesPerRate*c.scrapeInterval(ctx))
}

// scrapeInterval is the shortest time between two scrapes of a target, in whole
// seconds, or 0. Without an answer it stays what it was.
func (c *Console) scrapeInterval(ctx context.Context) time.Duration {
	c.window.mu.Lock()
	defer c.window.mu.Unlock()
	if !c.prom.configured() || time.Since(c.window.asked) < windowEvery {
		return c.window.interval
	}
	c.window.asked = time.Now()
	found, err := c.prom.query(ctx, scrapes)
	if err == nil && len(found) == 1 && found[0].value > 0 {
		c.window.interval = time.Duration(math.Round(1/found[0].value)) * time.Second
	}
	return c.window.interval
}
