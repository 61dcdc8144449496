package counters

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// callSelector returns a selector of families with a suffix such as _count.
func callSelector(suffix string, families []signals.Family) string {
	names := make([]string, len(families))
	for i, f := range families {
		names[i] = f.Name + suffix
	}
	return fmt.Sprintf(`{__name__=~%q}`, strings.Join(names, "|"))
}

// operation returns the operation in the labels of a series, in the form that the
// middleware uses.
func operation(f signals.Family, l map[string]string) string {
	switch {
	case strings.HasPrefix(f.Name, "http_"):
		return strings.TrimSpace(l["http_request_method"] + " " + l["http_route"])
	case strings.HasPrefix(f.Name, "rpc_"):
		if l["rpc_service"] != "" {
			return l["rpc_service"] + "/" + l["rpc_method"]
		}
		return l["rpc_method"]
	case strings.HasPrefix(f.Name, "messaging_"):
		return strings.TrimSpace(l["messaging_operation_name"] + " " + l["messaging_destination_name"])
	}
	return cmp.Or(l["db_operation_name"], l["db_operation"])
}

// calls returns the series of requests and calls by service, operation and dependency.
func (t table) calls(found []prometheus.Series) []evidence.CallSeries {
	index := map[[4]string]*evidence.CallSeries{}
	for _, s := range found {
		f, ok := familyOf(s.Labels["__name__"], "_count")
		if !ok {
			continue
		}
		k := [4]string{service(s.Labels), operation(f, s.Labels)}
		if f.Client {
			k[2], k[3] = dependency(s.Labels), "client"
		}
		c := index[k]
		if c == nil {
			c = &evidence.CallSeries{Service: k[0], Operation: k[1], Dependency: k[2],
				Failed: make([]float64, t.steps), LevelFailed: make([]float64, t.steps), Types: map[string][]float64{}}
			index[k] = c
		}
		c.Count, c.LevelCount = t.add(c.Count, s), t.scraped(c.LevelCount, s)
		if kind := signals.Failure(s.Labels); kind != "" {
			t.add(c.Failed, s)
			t.scraped(c.LevelFailed, s)
			c.Types[kind] = t.add(c.Types[kind], s)
		}
	}
	out := make([]evidence.CallSeries, 0, len(index))
	for _, k := range sortedKeys(index) {
		out = append(out, *index[k])
	}
	return out
}

// addMade sets the durations of the calls made from their sums. Calls made without
// the context of a request are among them, but in no hop_wait_duration_seconds.
func (t table) addMade(calls []evidence.CallSeries, sums []prometheus.Series) {
	index := map[[3]string]*evidence.CallSeries{}
	for i := range calls {
		index[[3]string{calls[i].Service, calls[i].Operation, calls[i].Dependency}] = &calls[i]
	}
	for _, s := range sums {
		f, ok := familyOf(s.Labels["__name__"], "_sum")
		if !ok || !f.Client {
			continue
		}
		c := index[[3]string{service(s.Labels), operation(f, s.Labels), dependency(s.Labels)}]
		if c == nil {
			continue
		}
		for i := range s.Samples {
			s.Samples[i].Value *= f.Unit
		}
		c.Sum = t.add(c.Sum, s)
	}
}

// dependency returns the callee in the labels of a client's series.
func dependency(l map[string]string) string {
	return cmp.Or(l["dependency"], l["server_address"], l["db_system_name"])
}

// clientFamilies returns the families of calls made.
func clientFamilies() []signals.Family {
	var out []signals.Family
	for _, f := range signals.Calls() {
		if f.Client {
			out = append(out, f)
		}
	}
	return out
}

// familyOf returns the family of a metric with a suffix such as _count.
func familyOf(name, suffix string) (signals.Family, bool) {
	for _, f := range signals.Calls() {
		if name == f.Name+suffix {
			return f, true
		}
	}
	return signals.Family{}, false
}

// readCalls reads the counts of requests served and calls made.
func readCalls(ctx context.Context, c *prometheus.Client, start, end time.Time, every time.Duration) ([]prometheus.Series, error) {
	found, err := samples(ctx, c, callSelector("_count", signals.Calls()), start, end, every)
	if err != nil {
		return nil, fmt.Errorf("requests and errors: %w", err)
	}
	return found, nil
}
