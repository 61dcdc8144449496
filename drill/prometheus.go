package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// promAPI asks Prometheus the two things that a drill's clock needs.
type promAPI struct{ url string }

const queryWithin = 5 * time.Second

func (p promAPI) get(ctx context.Context, path string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, queryWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.url, "/")+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("prometheus at %s does not answer: %w", p.url, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("prometheus at %s: %s", p.url, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// mean returns an entry's mean duration over the last window; false when
// nobody asked for it.
func (p promAPI) mean(ctx context.Context, e Entry, window time.Duration) (time.Duration, bool, error) {
	series := func(suffix string) string {
		return fmt.Sprintf("sum(rate(hop_duration_seconds_%s{service_name=%q,operation=%q}[%s]))", suffix, e.Service, e.Operation, window)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := p.get(ctx, "/api/v1/query", url.Values{"query": {series("sum") + "/" + series("count")}}, &answer); err != nil {
		return 0, false, err
	}
	if len(answer.Data.Result) == 0 {
		return 0, false, nil
	}
	v, err := strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, false, nil
	}
	return time.Duration(v * float64(time.Second)), true, nil
}

// firing returns the alerts that fire, by their labels.
func (p promAPI) firing(ctx context.Context) (map[string]bool, error) {
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string            `json:"state"`
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		} `json:"data"`
	}
	if err := p.get(ctx, "/api/v1/alerts", nil, &answer); err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			out[fmt.Sprint(a.Labels)] = true
		}
	}
	return out, nil
}
