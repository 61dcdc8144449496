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

// matrix asks for an answer of series.
func (c *Client) matrix(ctx context.Context, path string, q url.Values) ([]Series, error) {
	raw, err := c.get(ctx, path, q)
	if err != nil {
		return nil, err
	}
	var found []struct {
		Metric map[string]string `json:"metric"`
		Values []sample          `json:"values"`
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		return nil, fmt.Errorf("answer of %s: %w", path, err)
	}
	out := make([]Series, 0, len(found))
	for _, f := range found {
		s := Series{Labels: f.Metric, Samples: make([]Sample, 0, len(f.Values))}
		for _, v := range f.Values {
			at, value, err := v.read()
			if err != nil {
				return nil, fmt.Errorf("answer of %s: %w", path, err)
			}
			if !math.IsNaN(value) && !math.IsInf(value, 0) {
				s.Samples = append(s.Samples, Sample{time.UnixMilli(int64(math.Round(at * 1000))), value})
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// vector asks for an answer of one value a series.
func (c *Client) vector(ctx context.Context, query string, at time.Time) ([]Series, error) {
	raw, err := c.get(ctx, "/api/v1/query", url.Values{"query": {query}, "time": {stamp(at)}})
	if err != nil {
		return nil, err
	}
	var found []struct {
		Metric map[string]string `json:"metric"`
		Value  sample            `json:"value"`
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		return nil, fmt.Errorf("answer of /api/v1/query: %w", err)
	}
	out := make([]Series, 0, len(found))
	for _, f := range found {
		_, v, err := f.Value.read()
		if err != nil {
			return nil, fmt.Errorf("answer of /api/v1/query: %w", err)
		}
		out = append(out, Series{Labels: f.Metric, Samples: []Sample{{at, v}}})
	}
	return out, nil
}

func parseBound(le string) (float64, error) {
	v, err := strconv.ParseFloat(le, 64)
	if err != nil {
		return 0, fmt.Errorf("bucket bound le=%q is no number", le)
	}
	return v, nil
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
