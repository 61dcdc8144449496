package console

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
)

// sample is one series at one moment.
type sample struct {
	labels map[string]string
	value  float64
}

// query asks Prometheus for an instant vector. Values that are no number are
// left out.
func (u *upstream) query(ctx context.Context, expr string) ([]sample, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string  `json:"metric"`
				Value  [2]json.RawMessage `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := u.get(ctx, &answer, url.Values{"query": {expr}}, "api", "v1", "query"); err != nil {
		return nil, err
	}
	out := make([]sample, 0, len(answer.Data.Result))
	for _, r := range answer.Data.Result {
		var text string
		if err := json.Unmarshal(r.Value[1], &text); err != nil {
			return nil, fmt.Errorf("%s answers in another form than expected: %w", u.name, err)
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		out = append(out, sample{r.Metric, v})
	}
	return out, nil
}

// promAlert is an alert as Prometheus reports it.
type promAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    string            `json:"activeAt"`
}

func (u *upstream) alerts(ctx context.Context) ([]promAlert, error) {
	var answer struct {
		Data struct {
			Alerts []promAlert `json:"alerts"`
		} `json:"data"`
	}
	err := u.get(ctx, &answer, nil, "api", "v1", "alerts")
	return answer.Data.Alerts, err
}
