package servicemap

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
)

// Get reads one JSON answer of Prometheus's HTTP API, such as api/v1/query.
type Get func(ctx context.Context, into any, query url.Values, path ...string) error

// sample is one element of an instant vector.
type sample struct {
	labels map[string]string
	value  float64
}

// query returns an instant vector without NaN and infinite values.
func (get Get) query(ctx context.Context, expr string) ([]sample, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string  `json:"metric"`
				Value  [2]json.RawMessage `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := get(ctx, &answer, url.Values{"query": {expr}}, "api", "v1", "query"); err != nil {
		return nil, err
	}
	out := make([]sample, 0, len(answer.Data.Result))
	for _, r := range answer.Data.Result {
		var text string
		if err := json.Unmarshal(r.Value[1], &text); err != nil {
			return nil, fmt.Errorf("unexpected answer of Prometheus: %w", err)
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		out = append(out, sample{r.Metric, v})
	}
	return out, nil
}

// promAlert is an alert in Prometheus's form.
type promAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    string            `json:"activeAt"`
}

func (get Get) alerts(ctx context.Context) ([]promAlert, error) {
	var answer struct {
		Data struct {
			Alerts []promAlert `json:"alerts"`
		} `json:"data"`
	}
	err := get(ctx, &answer, nil, "api", "v1", "alerts")
	return answer.Data.Alerts, err
}
