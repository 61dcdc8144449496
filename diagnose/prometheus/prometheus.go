// Package prometheus reads a diagnosis's evidence over Prometheus's HTTP API,
// of the embedded server or of any other.
package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client asks one Prometheus server.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the server at a URL such as http://127.0.0.1:9090.
func New(base string, client *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of a Prometheus server, such as http://127.0.0.1:9090", base)
	}
	return &Client{base: strings.TrimSuffix(base, "/"), http: client}, nil
}

// Series is one series of a range query: a value a step, NaN where there is none.
type Series struct {
	Labels map[string]string
	Values []float64
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

type answer struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	} `json:"data"`
}

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

// Range runs a range query.
func (c *Client) Range(ctx context.Context, query string, start time.Time, step time.Duration, steps int) ([]Series, error) {
	end := start.Add(time.Duration(steps-1) * step)
	raw, err := c.get(ctx, "/api/v1/query_range", url.Values{"query": {query},
		"start": {stamp(start)}, "end": {stamp(end)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)}})
	if err != nil {
		return nil, err
	}
	var found []struct {
		Metric map[string]string `json:"metric"`
		Values []sample          `json:"values"`
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		return nil, fmt.Errorf("answer of query_range: %w", err)
	}
	first := float64(start.UnixMilli()) / 1000
	out := make([]Series, 0, len(found))
	for _, f := range found {
		s := Series{Labels: f.Metric, Values: make([]float64, steps)}
		for i := range s.Values {
			s.Values[i] = math.NaN()
		}
		for _, v := range f.Values {
			at, value, err := v.read()
			if err != nil {
				return nil, fmt.Errorf("answer of query_range: %w", err)
			}
			if i := int(math.Round((at - first) / step.Seconds())); i >= 0 && i < steps {
				s.Values[i] = value
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// Instant runs an instant query that yields at most one value; NaN for none.
func (c *Client) Instant(ctx context.Context, query string, at time.Time) (float64, error) {
	raw, err := c.get(ctx, "/api/v1/query", url.Values{"query": {query}, "time": {stamp(at)}})
	if err != nil {
		return 0, err
	}
	var found []struct {
		Value sample `json:"value"`
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		return 0, fmt.Errorf("answer of query: %w", err)
	}
	if len(found) == 0 {
		return math.NaN(), nil
	}
	_, v, err := found[0].Value.read()
	return v, err
}

func stamp(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

func (c *Client) get(ctx context.Context, path string, q url.Values) (json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+"?"+q.Encode(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask Prometheus: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read Prometheus's answer: %w", err)
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("%s does not answer like Prometheus (status %d)", c.base, resp.StatusCode)
	}
	if a.Status != "success" {
		return nil, fmt.Errorf("prometheus refused the query: %s", a.Error)
	}
	return a.Data.Result, nil
}
