package counters

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// red returns the entries of services without the middleware, from the durations of
// the semantic conventions. A service that other services call is not an entry. Clients
// that name hosts instead of services do not reveal this; the edge then comes from
// traces.
func (t table) red(sums []prometheus.Series, calls []evidence.CallSeries) []evidence.EntrySeries {
	called := map[string]bool{}
	for _, c := range calls {
		if c.Dependency != "" && c.Dependency != c.Service {
			called[c.Dependency] = true
		}
	}
	took := map[[4]string]*evidence.EntrySeries{}
	for _, s := range sums {
		f, ok := familyOf(s.Labels["__name__"], "_sum")
		if !ok || f.Client {
			continue
		}
		k := [4]string{service(s.Labels), operation(f, s.Labels)}
		if took[k] == nil {
			took[k] = &evidence.EntrySeries{}
		}
		for i := range s.Samples {
			s.Samples[i].Value *= f.Unit
		}
		took[k].Sum, took[k].LevelSum = t.add(took[k].Sum, s), t.scraped(took[k].LevelSum, s)
	}
	var out []evidence.EntrySeries
	for _, c := range calls {
		e := took[[4]string{c.Service, c.Operation}]
		if c.Dependency != "" || called[c.Service] || e == nil || c.Operation == "" || strings.Contains(c.Operation, overflow) {
			continue
		}
		e.Service, e.Operation, e.Count, e.LevelCount = c.Service, c.Operation, c.Count, c.LevelCount
		out = append(out, *e)
	}
	return out
}

// serverFamilies returns the families of requests served.
func serverFamilies() []signals.Family {
	var out []signals.Family
	for _, f := range signals.Calls() {
		if !f.Client {
			out = append(out, f)
		}
	}
	return out
}

// readDurations reads the sums of the durations of requests served.
func readDurations(ctx context.Context, c *prometheus.Client, start, end time.Time, every time.Duration) ([]prometheus.Series, error) {
	found, err := samples(ctx, c, callSelector("_sum", serverFamilies()), start, end, every)
	if err != nil {
		return nil, fmt.Errorf("durations: %w", err)
	}
	return found, nil
}

// bucketsOf returns selectors of the buckets of an entry's duration: those of the flow's
// completion, of the hop or, if red is set, of the semantic conventions.
func bucketsOf(e result.Entry, red bool) []string {
	switch {
	case e.Consumer != nil:
		return []string{fmt.Sprintf(`hop_completion_duration_seconds_bucket{service_name=%q, operation=%q, entry=%q}`,
			e.Consumer.Service, e.Consumer.Operation, e.Operation)}
	case !red:
		return []string{fmt.Sprintf(`hop_duration_seconds_bucket{service_name=%q, operation=%q, entry=%q, flow="request"}`,
			e.Service, e.Operation, e.Operation)}
	}
	labels := fmt.Sprintf(`rpc_method=%q`, e.Operation)
	family := "rpc_server_call_duration_seconds_bucket"
	if method, route, ok := strings.Cut(e.Operation, " "); ok {
		family = "http_server_request_duration_seconds_bucket"
		labels = fmt.Sprintf(`http_request_method=%q, http_route=%q`, method, route)
	}
	return []string{fmt.Sprintf(`%s{service_name=%q, %s}`, family, e.Service, labels),
		fmt.Sprintf(`%s{service_name="", job=%q, %s}`, family, e.Service, labels)}
}
