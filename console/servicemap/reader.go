package servicemap

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/tenhop/tenhop/signals"
)

// Reader computes snapshots from Prometheus. It is safe for concurrent use.
type Reader struct {
	prom     Prometheus
	describe func(error) string
	queries  map[string]string

	mu       sync.Mutex
	asked    time.Time
	interval time.Duration // 0 if unknown
}

// NewReader returns a Reader that queries Prometheus. own names the labels that it has
// for those of the conventions. The texts of errors in snapshots are those that describe
// returns.
func NewReader(prom Prometheus, own signals.Labels, describe func(error) string) *Reader {
	return &Reader{prom: prom, describe: describe, queries: queries(own)}
}

const (
	minWindow = 30 * time.Second
	// scrapesPerRate keeps a rate defined when a scrape is missed, as Grafana's
	// $__rate_interval does.
	scrapesPerRate = 4
	intervalTTL    = time.Minute // how long a measured interval is kept

	// scrapes is the highest scrape rate of any target, in scrapes/s. The short
	// range counts where it holds enough samples, which is soon after a start.
	scrapes = `max((count_over_time(up[30s]) > 3) / 30 or count_over_time(up[5m]) / 300)`
)

// rateWindow returns the window of rates: minWindow, or longer where targets
// are scraped so rarely that minWindow would hold too few samples.
func (r *Reader) rateWindow(ctx context.Context) time.Duration {
	return max(minWindow, scrapesPerRate*r.ScrapeInterval(ctx))
}

// ScrapeInterval returns the shortest scrape interval of any target in whole seconds,
// or 0 if it is unknown. It is measured at most once per minute. If Prometheus fails,
// the previous value is kept.
func (r *Reader) ScrapeInterval(ctx context.Context) time.Duration {
	r.mu.Lock()
	known, fresh := r.interval, time.Since(r.asked) < intervalTTL
	r.mu.Unlock()
	if fresh {
		return known
	}
	found, err := r.prom.query(ctx, scrapes) // without the lock: another caller may be in less of a hurry
	if err != nil && ctx.Err() != nil {
		return known // the caller is gone, Prometheus may be well
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = time.Now()
	if err == nil && len(found) == 1 && found[0].Value > 0 {
		r.interval = time.Duration(math.Round(1/found[0].Value)) * time.Second
	}
	return r.interval
}
