package drill

import (
	"context"
	"fmt"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// metrics queries Prometheus.
type metrics struct{ api *prometheus.Client }

const queryTimeout = 5 * time.Second

// mean returns an entry's mean duration over the last window. It reports false if there
// were no requests.
func (m metrics) mean(ctx context.Context, e Entry, window time.Duration) (time.Duration, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	series := func(suffix string) string {
		return fmt.Sprintf("sum(rate(hop_duration_seconds_%s{service_name=%q,operation=%q}[%s]))", suffix, e.Service, e.Operation, window)
	}
	found, err := m.api.Instant(ctx, series("sum")+"/"+series("count"), time.Time{})
	if err != nil || len(found) == 0 {
		return 0, false, err
	}
	return time.Duration(found[0].Value * float64(time.Second)), true, nil
}

// firing returns the set of firing alerts by their labels.
func (m metrics) firing(ctx context.Context) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	alerts, err := m.api.Alerts(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, a := range alerts {
		if a.State == "firing" {
			out[fmt.Sprint(a.Labels)] = true
		}
	}
	return out, nil
}
