// Package jaeger implements a client of Jaeger's query APIs: the one that Jaeger's UI and
// Grafana use, and version 3 where a server has only that.
package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/jaeger"
)

// maxAnswer is the maximum size of a response in bytes.
const maxAnswer = 64 << 20

// Client queries one Jaeger server.
type Client struct {
	backend *query.Backend
	v3      atomic.Bool // the server has only version 3
}

// New returns a client of the Jaeger at a URL such as http://127.0.0.1:16686. A
// nil client is http.DefaultClient.
func New(base string, client *http.Client) (*Client, error) {
	b, err := query.Product{Name: "Jaeger", Example: "http://127.0.0.1:16686", MaxAnswer: maxAnswer}.At(base, client)
	if err != nil {
		return nil, err
	}
	return &Client{backend: b}, nil
}

// String returns the server's name and address.
func (c *Client) String() string { return c.backend.String() }

// Services returns the services that have sent spans.
func (c *Client) Services(ctx context.Context) ([]string, error) {
	return either(c, func() ([]string, error) { return c.names(ctx, "api", "services") },
		func() ([]string, error) { return c.servicesV3(ctx) })
}

// Operations returns the span names of a service.
func (c *Client) Operations(ctx context.Context, service string) ([]string, error) {
	return either(c, func() ([]string, error) { return c.names(ctx, "api", "services", service, "operations") },
		func() ([]string, error) { return c.operationsV3(ctx, service) })
}

func (c *Client) names(ctx context.Context, segments ...string) ([]string, error) {
	var a struct {
		Data []string `json:"data"`
	}
	err := c.json(ctx, &a, nil, segments...)
	return a.Data, err
}

// json is Backend.JSON. The error is errOtherAPI if the server does not know the path.
func (c *Client) json(ctx context.Context, into any, q url.Values, segments ...string) error {
	a, err := c.backend.Get(ctx, "", q, segments...)
	if err != nil {
		return err
	}
	if unknown(a) {
		return &otherAPIError{c.backend.Decode(a, into)}
	}
	return c.backend.Decode(a, into)
}

// Traces returns the traces that match s, newest first. Traces without spans are
// omitted. The result is empty for a service that Jaeger does not know.
func (c *Client) Traces(ctx context.Context, s query.Search) ([]trace.Trace, error) {
	return either(c, func() ([]trace.Trace, error) { return c.tracesV1(ctx, s) },
		func() ([]trace.Trace, error) { return c.tracesV3(ctx, s) })
}

func (c *Client) tracesV1(ctx context.Context, s query.Search) ([]trace.Trace, error) {
	q := url.Values{"service": {s.Service}, "limit": {strconv.Itoa(s.Limit)},
		"start": {strconv.FormatInt(s.From.UnixMicro(), 10)}, "end": {strconv.FormatInt(s.To.UnixMicro(), 10)}}
	if s.Operation != "" {
		q.Set("operation", s.Operation)
	}
	if s.Min > 0 {
		q.Set("minDuration", s.Min.String())
	}
	if s.Max > 0 {
		q.Set("maxDuration", s.Max.String())
	}
	if err := setTags(q, "tags", s); err != nil {
		return nil, err
	}
	found, err := c.traces(ctx, q, "api", "traces")
	if errors.Is(err, query.ErrNotFound) {
		return nil, nil
	}
	return slices.DeleteFunc(found, func(t trace.Trace) bool { return len(t.Spans) == 0 }), err
}

// setTags sets a parameter to the attributes of a search as JSON, if there are any.
func setTags(q url.Values, name string, s query.Search) error {
	tags := map[string]string{}
	if s.Failed {
		tags["error"] = "true"
	}
	maps.Copy(tags, s.Tags)
	if len(tags) == 0 {
		return nil
	}
	b, err := json.Marshal(tags)
	q.Set(name, string(b))
	return err
}

// Trace returns one trace. The error is query.ErrNotFound if Jaeger has no trace with
// this ID.
func (c *Client) Trace(ctx context.Context, id string) (trace.Trace, error) {
	found, err := either(c, func() ([]trace.Trace, error) { return c.traces(ctx, nil, "api", "traces", id) },
		func() ([]trace.Trace, error) { return c.getV3(ctx, nil, id) })
	if err == nil && (len(found) == 0 || len(found[0].Spans) == 0) {
		err = query.ErrNotFound
	}
	if errors.Is(err, query.ErrNotFound) {
		return trace.Trace{}, fmt.Errorf("%s has no trace %s: %w", c.backend, query.Printable(id), query.ErrNotFound)
	}
	if err != nil {
		return trace.Trace{}, err
	}
	return found[0], nil
}

// traces decodes a response with traces. A 404 means that there are none only if it has
// Jaeger's error body. Any other 404 comes from another server or a proxy.
func (c *Client) traces(ctx context.Context, q url.Values, segments ...string) ([]trace.Trace, error) {
	a, err := c.backend.Get(ctx, "", q, segments...)
	switch {
	case err != nil:
		return nil, err
	case a.Code == http.StatusNotFound && notFound(a.Body):
		return nil, query.ErrNotFound
	case unknown(a):
		return nil, &otherAPIError{c.backend.Decode(a, new(any))}
	case a.Code != http.StatusOK:
		return nil, c.backend.Status(a)
	}
	found, err := jaeger.Unmarshal(a.Body)
	if err != nil {
		return nil, c.backend.Unlike(a, err)
	}
	return found, nil
}

func notFound(body []byte) bool {
	var a struct {
		Errors []struct {
			Code int `json:"code"`
		} `json:"errors"`
	}
	return json.Unmarshal(body, &a) == nil && len(a.Errors) > 0 && a.Errors[0].Code == http.StatusNotFound
}

// Dependency counts the calls from one service to another.
type Dependency struct {
	Parent string `json:"parent"`
	Child  string `json:"child"`
	Calls  uint64 `json:"callCount"`
}

// Dependencies returns the calls between services in the period lookback before end.
func (c *Client) Dependencies(ctx context.Context, end time.Time, lookback time.Duration) ([]Dependency, error) {
	var a struct {
		Data []Dependency `json:"data"`
	}
	err := c.backend.JSON(ctx, &a, url.Values{"endTs": {strconv.FormatInt(end.UnixMilli(), 10)},
		"lookback": {strconv.FormatInt(lookback.Milliseconds(), 10)}}, "api", "dependencies")
	return a.Data, err
}
