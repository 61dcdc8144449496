package jaeger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/otlp"
)

// otherAPIError is returned if the server does not know a path of an API. It wraps the
// error that the response is otherwise.
type otherAPIError struct{ error }

// Unwrap returns the error about the response.
func (e *otherAPIError) Unwrap() error { return e.error }

// unknown reports whether a response comes from a server without the path: a 404 of a
// router, or the page that Jaeger serves for every path of its UI.
func unknown(a query.Answer) bool {
	page := a.Code == http.StatusOK && bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("<"))
	return page || a.Code == http.StatusNotFound && !notFound(a.Body) && !notFoundV3(a.Body)
}

// either asks by the API that the server is known to have. If it does not know the first
// one, it asks by version 3; if it knows neither, the error is about the first one.
func either[T any](c *Client, v1, v3 func() (T, error)) (T, error) {
	if c.v3.Load() {
		return v3()
	}
	found, err := v1()
	var other *otherAPIError
	if !errors.As(err, &other) {
		return found, err
	}
	again, err3 := v3()
	if errors.As(err3, new(*otherAPIError)) {
		return found, other.error
	}
	if err3 == nil || errors.Is(err3, query.ErrNotFound) {
		c.v3.Store(true)
	}
	return again, err3
}

func (c *Client) servicesV3(ctx context.Context) ([]string, error) {
	var a struct {
		Services []string `json:"services"`
	}
	err := c.json(ctx, &a, nil, "api", "v3", "services")
	return a.Services, err
}

func (c *Client) operationsV3(ctx context.Context, service string) ([]string, error) {
	var a struct {
		Operations []struct {
			Name string `json:"name"`
		} `json:"operations"`
	}
	err := c.json(ctx, &a, url.Values{"service": {service}}, "api", "v3", "operations")
	var names []string
	for _, o := range a.Operations {
		names = append(names, o.Name)
	}
	slices.Sort(names) // one for each span kind
	return slices.Compact(names), err
}

func (c *Client) tracesV3(ctx context.Context, s query.Search) ([]trace.Trace, error) {
	limit := strconv.Itoa(s.Limit)
	q := url.Values{"query.service_name": {s.Service}, "query.num_traces": {limit}, "query.search_depth": {limit},
		"query.start_time_min": {s.From.UTC().Format(time.RFC3339Nano)}, "query.start_time_max": {s.To.UTC().Format(time.RFC3339Nano)}}
	if s.Operation != "" {
		q.Set("query.operation_name", s.Operation)
	}
	if s.Min > 0 {
		q.Set("query.duration_min", s.Min.String())
	}
	if s.Max > 0 {
		q.Set("query.duration_max", s.Max.String())
	}
	if err := setTags(q, "query.attributes", s); err != nil {
		return nil, err
	}
	found, err := c.getV3(ctx, q)
	if errors.Is(err, query.ErrNotFound) {
		return nil, nil
	}
	slices.SortStableFunc(found, func(a, b trace.Trace) int { return begin(b).Compare(begin(a)) })
	return found, err
}

// begin returns the start of the earliest span. A trace of getV3 has spans.
func begin(t trace.Trace) time.Time {
	return slices.MinFunc(t.Spans, func(a, b trace.Span) int { return a.Start.Compare(b.Start) }).Start
}

// getV3 returns the traces of a response, in the order in which they begin there.
func (c *Client) getV3(ctx context.Context, q url.Values, id ...string) ([]trace.Trace, error) {
	a, err := c.backend.Get(ctx, "", q, append([]string{"api", "v3", "traces"}, id...)...)
	switch {
	case err != nil:
		return nil, err
	case a.Code == http.StatusNotFound && (notFoundV3(a.Body) || notFound(a.Body)):
		return nil, query.ErrNotFound
	case unknown(a):
		return nil, &otherAPIError{c.backend.Decode(a, new(any))}
	case a.Code != http.StatusOK:
		return nil, c.backend.Status(a)
	}
	var found []trace.Trace
	at := map[string]int{}
	add := func(id string, s trace.Span) {
		i, ok := at[id]
		if !ok {
			i = len(found)
			at[id] = i
			found = append(found, trace.Trace{ID: id})
		}
		found[i].Spans = append(found[i].Spans, s)
	}
	// The gateway of gRPC writes one message after the other.
	for dec := json.NewDecoder(bytes.NewReader(a.Body)); ; {
		var message struct {
			Result json.RawMessage `json:"result"`
		}
		if err := dec.Decode(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, c.backend.Unlike(a, err)
		}
		if len(message.Result) == 0 {
			return nil, c.backend.Unlike(a, errors.New("the answer has no result"))
		}
		if err := otlp.UnmarshalJSON(message.Result, add); err != nil {
			return nil, c.backend.Unlike(a, err)
		}
	}
	return found, nil
}

// notFoundV3 reports whether a body is version 3's error for traces that do not exist.
func notFoundV3(body []byte) bool {
	var a struct {
		Error struct {
			Code int `json:"httpCode"`
		} `json:"error"`
	}
	return json.Unmarshal(body, &a) == nil && a.Error.Code == http.StatusNotFound
}
