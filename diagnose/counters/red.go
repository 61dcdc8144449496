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

// red makes entries of what services without our middleware serve: their
// operations' durations by the semantic conventions, which say nothing of self
// time. Operations of services that others call by the same name are no entries;
// where clients name only hosts, traces have to tell.
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

// serverFamilies are those whose durations are an operation's.
func serverFamilies() []signals.Family {
	var out []signals.Family
	for _, f := range signals.Calls() {
		if !f.Client {
			out = append(out, f)
		}
	}
	return out
}

// readDurations reads the sums of what was served.
func readDurations(ctx context.Context, c *prometheus.Client, start, end time.Time, every time.Duration) ([]prometheus.Series, error) {
	found, err := samples(ctx, c, callSelector("_sum", serverFamilies()), start, end, every)
	if err != nil {
		return nil, fmt.Errorf("durations: %w", err)
	}
	return found, nil
}

// bucketsOf selects the histograms of an entry: those of its hop or of its
// flow's completion, else, for a service without our middleware, those of the
// semantic conventions.
func bucketsOf(e result.Entry, red bool) []string {
	switch {
	case e.Consumer != nil:
		return []string{fmt.Sprintf(`hop_completion_duration_seconds_bucket{service_name=%q, operation=%q, entry=%q}`, e.Consumer.Service, e.Consumer.Operation, e.Operation)}
	case !red:
		return []string{fmt.Sprintf(`hop_duration_seconds_bucket{service_name=%q, operation=%q, entry=%q, flow="request"}`, e.Service, e.Operation, e.Operation)}
	}
	labels := fmt.Sprintf(`rpc_method=%q`, e.Operation)
	family := "rpc_server_call_duration_seconds_bucket"
	if method, route, ok := strings.Cut(e.Operation, " "); ok {
		family, labels = "http_server_request_duration_seconds_bucket", fmt.Sprintf(`http_request_method=%q, http_route=%q`, method, route)
	}
	return []string{fmt.Sprintf(`%s{service_name=%q, %s}`, family, e.Service, labels), fmt.Sprintf(`%s{service_name="", job=%q, %s}`, family, e.Service, labels)}
}
