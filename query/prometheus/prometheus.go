// Package prometheus implements a client of Prometheus's HTTP API.
package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tenhop/tenhop/query"
)

// maxAnswer is the maximum size of a response in bytes.
const maxAnswer = 64 << 20

// Client queries one Prometheus server.
type Client struct{ backend *query.Backend }

// New returns a client of the server at a URL such as http://127.0.0.1:9090.
// A nil client is http.DefaultClient.
func New(base string, client *http.Client) (*Client, error) {
	b, err := query.Product{Name: "Prometheus", Example: "http://127.0.0.1:9090", MaxAnswer: maxAnswer}.At(base, client)
	if err != nil {
		return nil, err
	}
	return &Client{b}, nil
}

// Series is one series with its samples, oldest first. Samples that are NaN or
// infinite, or further than 285 years from 1970, are left out.
type Series struct {
	Labels  map[string]string
	Samples []Sample
}

// Sample is a value and its timestamp.
type Sample struct {
	At    time.Time
	Value float64
}

// Value is an element of an instant vector.
type Value struct {
	Labels map[string]string
	Value  float64
}

// Instant evaluates an expression whose result is an instant vector. Series whose value
// is NaN or infinite are left out. A zero time selects the server's current time.
func (c *Client) Instant(ctx context.Context, expr string, at time.Time) ([]Value, error) {
	found, err := c.result(ctx, instant(expr, at), "query")
	if err != nil {
		return nil, err
	}
	out := make([]Value, 0, len(found))
	for _, f := range found {
		if f.Value == nil {
			continue // a native histogram
		}
		_, v, err := f.Value.read()
		if err != nil {
			return nil, fmt.Errorf("answer of %s: %w", c.backend, err)
		}
		if finite(v) {
			out = append(out, Value{f.Metric, v})
		}
	}
	return out, nil
}

// Matrix evaluates an expression whose result is a range vector, such as metric[5m]. It
// returns the raw samples.
func (c *Client) Matrix(ctx context.Context, expr string, at time.Time) ([]Series, error) {
	return c.matrix(ctx, instant(expr, at), "query")
}

// Range evaluates an expression at every step from start to end.
func (c *Client) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) ([]Series, error) {
	return c.matrix(ctx, url.Values{"query": {expr}, "start": {seconds(start)}, "end": {seconds(end)},
		"step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)}}, "query_range")
}

// LabelValues returns the sorted values of a label in the series that match a selector.
func (c *Client) LabelValues(ctx context.Context, label, selector string) ([]string, error) {
	var values []string
	err := c.get(ctx, &values, url.Values{"match[]": {selector}}, "label", label, "values")
	return values, err
}

// Alert is a pending or firing alert.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    string            `json:"activeAt"`
}

// Alerts returns the active alerts.
func (c *Client) Alerts(ctx context.Context) ([]Alert, error) {
	var data struct {
		Alerts []Alert `json:"alerts"`
	}
	err := c.get(ctx, &data, nil, "alerts")
	return data.Alerts, err
}

func instant(expr string, at time.Time) url.Values {
	q := url.Values{"query": {expr}}
	if !at.IsZero() {
		q.Set("time", seconds(at))
	}
	return q
}

func seconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// maxSeconds bounds the time of a sample, in seconds from the Unix epoch. Nanoseconds
// hold no time beyond the year 2262.
const maxSeconds = 9e9

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// found is one series of a result.
type found struct {
	Metric map[string]string `json:"metric"`
	Value  *sample           `json:"value"`
	Values []sample          `json:"values"`
}

// sample is a time in seconds and a value as text.
type sample [2]json.RawMessage

func (s sample) read() (at, value float64, err error) {
	if err = json.Unmarshal(s[0], &at); err != nil {
		return 0, 0, err
	}
	var text string
	if err = json.Unmarshal(s[1], &text); err != nil {
		return 0, 0, err
	}
	value, err = strconv.ParseFloat(text, 64)
	return at, value, err
}

func (c *Client) matrix(ctx context.Context, q url.Values, path string) ([]Series, error) {
	found, err := c.result(ctx, q, path)
	if err != nil {
		return nil, err
	}
	out := make([]Series, 0, len(found))
	for _, f := range found {
		s := Series{Labels: f.Metric, Samples: make([]Sample, 0, len(f.Values))}
		for _, v := range f.Values {
			at, value, err := v.read()
			if err != nil {
				return nil, fmt.Errorf("answer of %s: %w", c.backend, err)
			}
			if finite(value) && math.Abs(at) < maxSeconds {
				s.Samples = append(s.Samples, Sample{time.UnixMilli(int64(math.Round(at * 1000))), value})
			}
		}
		out = append(out, s)
	}
	return out, nil
}

func (c *Client) result(ctx context.Context, q url.Values, path string) ([]found, error) {
	var data struct {
		Result []found `json:"result"`
	}
	err := c.get(ctx, &data, q, path)
	return data.Result, err
}

// get decodes the data of a response. On any status, an error message in the body
// becomes the error.
func (c *Client) get(ctx context.Context, data any, q url.Values, path ...string) error {
	a, err := c.backend.Get(ctx, "", q, append([]string{"api", "v1"}, path...)...)
	if err != nil {
		return err
	}
	var answer struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}
	err = json.Unmarshal(a.Body, &answer)
	switch {
	case err == nil && answer.Status == "error" && !query.Denied(a.Code):
		return fmt.Errorf("%s refuses the query: %s", c.backend, query.Printable(c.backend.Scrub(answer.Error)))
	case a.Code != http.StatusOK:
		return c.backend.Status(a)
	case err != nil:
		return c.backend.Unlike(a, err)
	case answer.Status != "success":
		return c.backend.Unlike(a, errors.New("the answer has no status"))
	}
	if err := json.Unmarshal(answer.Data, data); err != nil {
		return c.backend.Unlike(a, err)
	}
	return nil
}
