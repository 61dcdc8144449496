package prometheus

import (
	"context"
	"net/url"
)

// Target is an active scrape target.
type Target struct {
	Labels    map[string]string `json:"labels"`
	ScrapeURL string            `json:"scrapeUrl"`
	Health    string            `json:"health"` // up, down or unknown
}

// Targets returns the active scrape targets.
func (c *Client) Targets(ctx context.Context) ([]Target, error) {
	var data struct {
		Targets []Target `json:"activeTargets"`
	}
	err := c.get(ctx, &data, url.Values{"state": {"active"}}, "targets")
	return data.Targets, err
}
