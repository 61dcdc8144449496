// Package tempo implements a client of Grafana Tempo's HTTP API.
package tempo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/tempo"
)

const (
	maxAnswer = 64 << 20 // bytes
	fetches   = 8        // traces fetched concurrently

	// A search asks for widening times its limit, up to maxSearch traces, and keeps the
	// newest ones. Only those are fetched.
	widening  = 5
	maxSearch = 500
)

// Client queries one Tempo server.
type Client struct {
	backend *query.Backend
	old     atomic.Bool // the server does not know mostRecent
}

// New returns a client of the Tempo at a URL such as http://127.0.0.1:3200. A
// nil client is http.DefaultClient.
func New(base string, client *http.Client) (*Client, error) {
	b, err := query.Product{Name: "Tempo", Example: "http://127.0.0.1:3200", MaxAnswer: maxAnswer}.At(base, client)
	if err != nil {
		return nil, err
	}
	return &Client{backend: b}, nil
}

// String returns the server's name and address.
func (c *Client) String() string { return c.backend.String() }

// Services returns the services that have sent spans.
func (c *Client) Services(ctx context.Context) ([]string, error) {
	var a struct {
		Values []string `json:"tagValues"`
	}
	err := c.backend.JSON(ctx, &a, nil, "api", "search", "tag", "service.name", "values")
	return a.Values, err
}

// Operations returns the span names of a service.
func (c *Client) Operations(ctx context.Context, service string) ([]string, error) {
	var a struct {
		Values []struct {
			Value string `json:"value"`
		} `json:"tagValues"`
	}
	err := c.backend.JSON(ctx, &a, url.Values{"q": {TraceQL(query.Search{Service: service})}}, "api", "v2", "search", "tag", "name", "values")
	names := make([]string, 0, len(a.Values))
	for _, v := range a.Values {
		names = append(names, v.Value)
	}
	return names, err
}

// hit is a trace in the result of a search.
type hit struct {
	ID    string `json:"traceID"`
	Start string `json:"startTimeUnixNano"`
}

// mostRecent is the hint that makes a search return the newest matches. Without it
// Tempo returns the first ones that it finds, in no order.
const mostRecent = " with (most_recent=true)"

// search returns the newest traces that match, newest first. A Tempo that does not know
// the hint may leave out new ones if many match, so the search asks for more than the
// limit.
func (c *Client) search(ctx context.Context, s query.Search) ([]hit, error) {
	var a struct {
		Traces []hit `json:"traces"`
	}
	// Tempo's times are in seconds. Rounding outwards keeps every match.
	q := url.Values{"q": {TraceQL(s)}, "spss": {"1"},
		"start": {strconv.FormatInt(s.From.Unix(), 10)}, "end": {strconv.FormatInt(s.To.Add(time.Second-1).Unix(), 10)}}
	if s.Limit > 0 {
		q.Set("limit", strconv.Itoa(max(s.Limit, min(widening*s.Limit, maxSearch))))
	}
	old := c.old.Load()
	if !old {
		q.Set("q", TraceQL(s)+mostRecent)
	}
	err := c.backend.JSON(ctx, &a, q, "api", "search")
	var refused *query.StatusError
	if !old && errors.As(err, &refused) && refused.Code == http.StatusBadRequest {
		q.Set("q", TraceQL(s))
		if err = c.backend.JSON(ctx, &a, q, "api", "search"); err == nil {
			c.old.Store(true)
		}
	}
	slices.SortStableFunc(a.Traces, func(a, b hit) int { return cmp.Compare(b.nanos(), a.nanos()) })
	if s.Limit > 0 && len(a.Traces) > s.Limit {
		a.Traces = a.Traces[:s.Limit]
	}
	return a.Traces, err
}

// nanos returns the start of a trace, or 0 if it is not known.
func (h hit) nanos() uint64 {
	n, _ := strconv.ParseUint(h.Start, 10, 64)
	return n
}

// Traces searches and then fetches each trace that was found, newest first. Traces that
// no longer exist, or have no spans, are omitted.
func (c *Client) Traces(ctx context.Context, s query.Search) ([]trace.Trace, error) {
	hits, err := c.search(ctx, s)
	if err != nil {
		return nil, err
	}
	found := make([]trace.Trace, len(hits))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(fetches)
	for i, t := range hits {
		g.Go(func() (err error) {
			// The trace may have expired since the search, or may not be in a block yet.
			if found[i], err = c.Trace(gctx, t.ID); errors.Is(err, query.ErrNotFound) {
				err = nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(t trace.Trace) bool { return len(t.Spans) == 0 }), nil
}

// TraceQL returns the TraceQL query for a search.
func TraceQL(s query.Search) string {
	all := []string{"resource.service.name = " + strconv.Quote(s.Service)}
	if s.Operation != "" {
		all = append(all, "name = "+strconv.Quote(s.Operation))
	}
	for _, k := range slices.Sorted(maps.Keys(s.Tags)) {
		all = append(all, "."+strconv.Quote(k)+" = "+strconv.Quote(s.Tags[k]))
	}
	if s.Min > 0 {
		all = append(all, "duration >= "+s.Min.String())
	}
	if s.Max > 0 {
		all = append(all, "duration <= "+s.Max.String())
	}
	if s.Failed {
		all = append(all, "status = error")
	}
	return "{ " + strings.Join(all, " && ") + " }"
}

// Trace returns one trace. The error is query.ErrNotFound if Tempo has no trace with
// this ID.
func (c *Client) Trace(ctx context.Context, id string) (trace.Trace, error) {
	a, err := c.backend.Get(ctx, "application/protobuf", nil, "api", "traces", id)
	switch {
	case err != nil:
		return trace.Trace{}, err
	case a.Code == http.StatusNotFound:
		return trace.Trace{}, fmt.Errorf("%s has no trace %s: %w", c.backend, query.Printable(id), query.ErrNotFound)
	case a.Code != http.StatusOK:
		return trace.Trace{}, c.backend.Status(a)
	}
	t := trace.Trace{ID: id}
	if err := tempo.Unmarshal(a.Body, func(_ string, s trace.Span) { t.Spans = append(t.Spans, s) }); err != nil {
		return trace.Trace{}, c.backend.Unlike(a, fmt.Errorf("trace %s: %w", query.Printable(id), err))
	}
	return t, nil
}
