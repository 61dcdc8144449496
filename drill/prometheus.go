package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tenhop/tenhop/diagnose/stats"
	"github.com/tenhop/tenhop/query/prometheus"
)

// metrics queries Prometheus.
type metrics struct{ api *prometheus.Client }

const queryTimeout = 5 * time.Second

// level is what the customers of an entry have.
type level struct {
	mean   time.Duration // 0 without requests
	failed float64       // ratio of the failed requests of the entry's service
	oldest time.Duration // largest age of a request that had not ended; 0 if it is not known
}

// worse reports whether customers feel the difference: the mean has risen by as much as the
// diagnosis says matters, two more in a hundred requests fail, none is served at all, or one
// waits for an answer for a second longer than any did before.
func (l level) worse(before level) bool {
	return l.mean == 0 && before.mean > 0 || l.mean > before.mean && stats.Matters(l.mean.Seconds(), before.mean.Seconds()) || l.failed > before.failed+0.02 ||
		l.oldest > before.oldest+time.Second
}

// level returns the level of an entry over the last window.
func (m metrics) level(ctx context.Context, e Entry, window time.Duration) (level, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	series := func(suffix string) string {
		return fmt.Sprintf("sum(rate(hop_duration_seconds_%s{service_name=%q,operation=%q}[%s]))", suffix, e.Service, e.Operation, window)
	}
	found, err := m.api.Instant(ctx, series("sum")+"/"+series("count"), time.Time{})
	if err != nil || len(found) == 0 {
		return level{}, err
	}
	served := func(matcher string) string {
		return fmt.Sprintf(`sum(rate({__name__=~"http_server_request_duration_seconds_count|rpc_server_call_duration_seconds_count",service_name=%q%s}[%s]))`,
			e.Service, matcher, window)
	}
	out := level{mean: time.Duration(found[0].Value * float64(time.Second))}
	failed, err := m.api.Instant(ctx, served(`,error_type!=""`)+"/"+served(""), time.Time{})
	if err == nil && len(failed) > 0 { // no series without failures
		out.failed = failed[0].Value
	}
	oldest, waitErr := m.api.Instant(ctx, fmt.Sprintf("max(max_over_time(hop_oldest_request_age_seconds{service_name=%q,operation=%q}[%s]))",
		e.Service, e.Operation, window), time.Time{})
	if waitErr == nil && len(oldest) > 0 {
		out.oldest = time.Duration(oldest[0].Value * float64(time.Second))
	}
	return out, errors.Join(err, waitErr)
}

// firing returns the names of the firing alerts by their labels. Those of severity none, such
// as a heartbeat that always fires, tell of nothing.
func (m metrics) firing(ctx context.Context) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	alerts, err := m.api.Alerts(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, a := range alerts {
		if a.State == "firing" && a.Labels["severity"] != "none" {
			out[fmt.Sprint(a.Labels)] = a.Labels["alertname"]
		}
	}
	return out, nil
}
