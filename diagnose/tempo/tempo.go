// Package tempo reads traces over the HTTP API of Grafana Tempo.
package tempo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/otlp"
	"github.com/tenhop/tenhop/trace"
)

// Client asks one Tempo.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the Tempo at a URL such as http://127.0.0.1:3200.
func New(base string, client *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a Tempo, such as http://127.0.0.1:3200", base)
	}
	return &Client{base: strings.TrimSuffix(base, "/"), http: client}, nil
}

// maxAnswer bounds an answer, in bytes; atOnce the traces fetched at a time.
const (
	maxAnswer = 64 << 20
	atOnce    = 8
)

// Services lists the services that have sent spans.
func (c *Client) Services(ctx context.Context) ([]string, error) {
	var a struct {
		Values []string `json:"tagValues"`
	}
	err := c.json(ctx, "/api/search/tag/service.name/values", nil, &a)
	return a.Values, err
}

// Traces searches, then fetches each trace that was found.
func (c *Client) Traces(ctx context.Context, s diagnose.Search) ([]trace.Trace, error) {
	var a struct {
		Traces []struct {
			ID string `json:"traceID"`
		} `json:"traces"`
	}
	// Tempo's times are seconds: rounded outwards, not to lose any.
	err := c.json(ctx, "/api/search", url.Values{"q": {TraceQL(s)}, "limit": {strconv.Itoa(s.Limit)}, "spss": {"1"},
		"start": {strconv.FormatInt(s.From.Unix(), 10)}, "end": {strconv.FormatInt(s.To.Add(time.Second-1).Unix(), 10)}}, &a)
	if err != nil {
		return nil, err
	}
	found := make([]*trace.Trace, len(a.Traces))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, t := range a.Traces {
		g.Go(func() (err error) {
			found[i], err = c.Trace(gctx, t.ID)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []trace.Trace
	for _, t := range found {
		if t != nil {
			out = append(out, *t)
		}
	}
	return out, nil
}

// TraceQL is the query of a search.
func TraceQL(s diagnose.Search) string {
	all := []string{"resource.service.name = " + strconv.Quote(s.Service)}
	if s.Operation != "" {
		all = append(all, "name = "+strconv.Quote(s.Operation))
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

// Trace returns one trace; nil when there is none.
func (c *Client) Trace(ctx context.Context, id string) (*trace.Trace, error) {
	body, status, err := c.get(ctx, "/api/traces/"+url.PathEscape(id), nil, "application/protobuf")
	if err != nil {
		return nil, err
	}
	if status == http.StatusNotFound {
		return nil, nil // found a moment ago, and gone or not yet in a block
	}
	// tempopb.Trace has the fields of OTLP's TracesData.
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(body)
	if err != nil {
		return nil, fmt.Errorf("%s answers for trace %s with what is not OTLP: %w", c.base, id, err)
	}
	t := trace.Trace{ID: id}
	otlp.Spans(td, func(_ string, s trace.Span) { t.Spans = append(t.Spans, s) })
	return &t, nil
}

func (c *Client) json(ctx context.Context, path string, q url.Values, into any) error {
	body, status, err := c.get(ctx, path, q, "application/json")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("tempo answers %d: %s", status, body[:min(len(body), 200)])
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s does not answer like Tempo: %w", c.base, err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, path string, q url.Values, accept string) ([]byte, int, error) {
	target := c.base + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", accept)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("ask Tempo: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, 0, fmt.Errorf("read Tempo's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		return nil, 0, fmt.Errorf("tempo answers %s: %s", resp.Status, body[:min(len(body), 200)])
	}
	return body, resp.StatusCode, nil
}
