// Package loki implements a client of Grafana Loki's HTTP API.
package loki

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tenhop/tenhop/query"
)

// maxAnswer is the maximum size of a response in bytes.
const maxAnswer = 64 << 20

// Client queries one Loki server.
type Client struct{ backend *query.Backend }

// New returns a client of the Loki at a URL such as http://127.0.0.1:3100. A
// nil client is http.DefaultClient.
func New(base string, client *http.Client) (*Client, error) {
	b, err := query.Product{Name: "Loki", Example: "http://127.0.0.1:3100", MaxAnswer: maxAnswer}.At(base, client)
	if err != nil {
		return nil, err
	}
	return &Client{b}, nil
}

// Stream holds the lines with one set of labels, including structured metadata.
type Stream struct {
	Labels map[string]string
	Lines  []Line
}

// Line is a log line.
type Line struct {
	At   time.Time
	Text string
}

// Lines returns up to limit lines that match a LogQL query between start and end. The
// lines of each stream are ordered oldest first.
func (c *Client) Lines(ctx context.Context, expr string, start, end time.Time, limit int) ([]Stream, error) {
	var a struct {
		Data struct {
			Result []struct {
				Stream map[string]string `json:"stream"`
				Values [][2]string       `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	err := c.backend.JSON(ctx, &a, url.Values{"query": {expr}, "limit": {strconv.Itoa(limit)}, "direction": {"forward"},
		"start": {strconv.FormatInt(start.UnixNano(), 10)}, "end": {strconv.FormatInt(end.UnixNano(), 10)}}, "loki", "api", "v1", "query_range")
	if err != nil {
		return nil, err
	}
	out := make([]Stream, 0, len(a.Data.Result))
	for _, r := range a.Data.Result {
		s := Stream{Labels: r.Stream, Lines: make([]Line, 0, len(r.Values))}
		for _, v := range r.Values {
			ns, err := strconv.ParseInt(v[0], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("answer of %s: time of a line: %w", c.backend, err)
			}
			s.Lines = append(s.Lines, Line{time.Unix(0, ns), v[1]})
		}
		out = append(out, s)
	}
	return out, nil
}
