package counters

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// Options configures Read. The zero value reads the names of the conventions.
type Options struct {
	// Labels holds label names that differ from those of the conventions.
	Labels signals.Labels
}

// reader reads counters between two times.
type reader struct {
	c          *prometheus.Client
	opt        Options
	start, end time.Time
	every      time.Duration      // resolution; zero reads every sample
	present    map[string]float64 // number of series by metric name

	// targets maps a target to its service.name, from target_info.
	targets map[instance]string
}

// targetInfo describes the resource of a target. Exporters that do not repeat
// service.name on every series have it here.
const targetInfo = "target_info"

// discover counts the series of each name that can be read.
func (r *reader) discover(ctx context.Context) error {
	names := append(slices.Clone(hopFamilies), signals.FamilyNames()...)
	expr := fmt.Sprintf(`count by (__name__) (last_over_time({__name__=~"(%s)(_sum|_count)?|%s|%s"}[%dms]))`,
		strings.Join(names, "|"), signals.GraphFailures, targetInfo, r.end.Sub(r.start).Milliseconds())
	found, err := r.c.Instant(ctx, expr, r.end)
	if err != nil {
		return fmt.Errorf("which metrics there are: %w", err)
	}
	r.present = map[string]float64{}
	for _, f := range found {
		r.present[f.Labels["__name__"]] = f.Value
	}
	if r.present[targetInfo] == 0 {
		return nil
	}
	info, err := r.c.Instant(ctx, fmt.Sprintf(`last_over_time(%s{service_name!=""}[%dms])`, targetInfo, r.end.Sub(r.start).Milliseconds()), r.end)
	if err != nil {
		return fmt.Errorf("%s: %w", targetInfo, err)
	}
	r.targets = map[instance]string{}
	for _, f := range info {
		r.targets[instanceOf(f.Labels)] = f.Labels["service_name"]
	}
	return nil
}

// edges returns the callers and callees of the service graph.
func (r *reader) edges(ctx context.Context) ([][2]string, error) {
	var names []string
	for _, c := range signals.Conventions() {
		for _, name := range []string{c.Family, c.Family + "_count"} {
			if c.Kind == signals.Graph && c.Side == signals.Server && r.present[name] > 0 {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	found, err := r.c.Instant(ctx, fmt.Sprintf(`count by (client, server) (last_over_time({__name__=~"%s", connection_type!="%s"}[%dms]))`,
		strings.Join(names, "|"), signals.MessagingEdge, r.end.Sub(r.start).Milliseconds()), r.end)
	if err != nil {
		return nil, fmt.Errorf("the service graph: %w", err)
	}
	var out [][2]string
	for _, f := range found {
		out = append(out, [2]string{f.Labels["client"], f.Labels["server"]})
	}
	return out, nil
}

// maxGuesses bounds the names of unknown metrics in an error text.
const maxGuesses = 5

// unreadable returns the reason why nothing can be read: the families that were looked
// for and those that look like durations of requests.
func (r *reader) unreadable(ctx context.Context) string {
	var by []string
	for _, c := range signals.Conventions() {
		if !slices.Contains(by, c.By) {
			by = append(by, c.By)
		}
	}
	text := fmt.Sprintf("Prometheus has no family of call durations that is known (hop_*, %s)", strings.Join(by, "; "))
	found, err := r.c.Instant(ctx, fmt.Sprintf(
		`topk(%d, count by (__name__) ({__name__=~"(?i).*(request|rpc|http|grpc|call|latency|duration|response).*(_sum|_total|_seconds|_milliseconds)", __name__!~"(go|process|prometheus|net_conntrack|scrape|promhttp|otelcol)_.*"}))`,
		maxGuesses), r.end)
	switch {
	case err != nil || len(found) == 0:
		text += ", nor any that looks like one"
	default:
		slices.SortFunc(found, func(a, b prometheus.Value) int { return int(b.Value - a.Value) })
		var names []string
		for _, f := range found[:min(len(found), maxGuesses)] {
			names = append(names, fmt.Sprintf("%s (%.0f series)", f.Labels["__name__"], f.Value))
		}
		text += "; those that look like one: " + strings.Join(names, ", ")
	}
	return text + ". Name differing labels with --label, or send spans over OTLP to `tenhop stack`, which derives the metrics"
}

// service returns the name of the service that exports a series, and the labels that
// hold it.
func (r *reader) service(own []string, l map[string]string) (name string, from []string) {
	names := append(slices.Clone(r.opt.Labels["service"]), own...)
	if len(own) > 0 {
		return named(l, names)
	}
	names = append(names, signals.ServiceLabels()...)
	last := len(names) - 1
	if v, from := named(l, names[:last]); v != "" {
		return strings.TrimSpace(v[strings.LastIndex(v, "/")+1:]), from
	}
	if v := r.targets[instanceOf(l)]; v != "" {
		return v, []string{"job", "instance"}
	}
	v, from := named(l, names[last:])
	return v[strings.LastIndex(v, "/")+1:], from
}

// named returns the value of the first label in names that is not empty, and its name.
func named(l map[string]string, names []string) (string, []string) {
	for _, n := range names {
		if v := l[n]; v != "" {
			return v, []string{n}
		}
	}
	return "", nil
}

// histogram reads the sums and the counts of a family, as far as parts has their suffixes.
// matchers are further PromQL matchers.
func (r *reader) histogram(ctx context.Context, family, matchers string, parts ...string) (map[string][]prometheus.Series, error) {
	out := map[string][]prometheus.Series{}
	for _, suffix := range parts {
		if r.present[family+suffix] == 0 {
			continue
		}
		found, err := samples(ctx, r.c, fmt.Sprintf("%s%s{%s}", family, suffix, matchers), r.start, r.end, r.every)
		if err != nil {
			return nil, fmt.Errorf("%s%s: %w", family, suffix, err)
		}
		out[suffix] = found
	}
	// Native histograms that have classic buckets, too, are not read twice.
	if r.present[family] > r.present[family+"_count"] {
		if err := r.native(ctx, family, matchers, out, parts); err != nil {
			return nil, fmt.Errorf("%s: %w", family, err)
		}
	}
	for _, found := range out {
		for _, s := range found {
			r.rename(s.Labels)
		}
	}
	return out, nil
}

// rename sets the labels of the middleware from those that the options name.
func (r *reader) rename(l map[string]string) {
	for _, meaning := range []string{"instance", "operation", "entry", "dependency"} {
		if v := signals.First(l, r.opt.Labels[meaning]); v != "" {
			l[meaning] = v
		}
	}
}

// native reads the sums and counts of a family of native histograms. A range selector
// would return all buckets. Functions of an instant selector return floats, and
// timestamp the time of the sample that each evaluation has read.
func (r *reader) native(ctx context.Context, family, matchers string, to map[string][]prometheus.Series, parts []string) error {
	step := max(r.every, minStep, (r.end.Sub(r.start) / maxSteps).Round(time.Second))
	ask := func(function string) ([]prometheus.Series, error) {
		found, err := r.c.Range(ctx, fmt.Sprintf("%s(%s{%s})", function, family, matchers), r.start, r.end, step)
		return labelled(found), err
	}
	read, err := ask("timestamp")
	if err != nil {
		return err
	}
	at := map[string]prometheus.Series{}
	for _, s := range read {
		at[identity(s.Labels)] = s
	}
	for _, suffix := range parts {
		found, err := ask("histogram" + suffix)
		if err != nil {
			return err
		}
		for i, s := range found {
			found[i].Samples = sampled(s.Samples, at[identity(s.Labels)].Samples, r.start)
			s.Labels["__name__"] = family + suffix
		}
		to[suffix] = merge(to[suffix], found)
	}
	return nil
}

// sampled returns the values at the times of the samples that they come from. at holds
// these times, in seconds, at the times of evaluation.
func sampled(values, at []prometheus.Sample, start time.Time) []prometheus.Sample {
	when := map[time.Time]float64{}
	for _, p := range at {
		when[p.At] = p.Value
	}
	var out []prometheus.Sample
	for _, v := range values {
		seconds, ok := when[v.At]
		t := time.UnixMilli(int64(math.Round(seconds * 1000)))
		if !ok || t.Before(start) || len(out) > 0 && !t.After(out[len(out)-1].At) {
			continue
		}
		out = append(out, prometheus.Sample{At: t, Value: v.Value})
	}
	return out
}

// merge appends the series of more that a does not have.
func merge(a, more []prometheus.Series) []prometheus.Series {
	have := map[string]bool{}
	for _, s := range a {
		have[identity(s.Labels)] = true
	}
	for _, s := range more {
		if !have[identity(s.Labels)] {
			a = append(a, s)
		}
	}
	return a
}

// identity returns the labels of a series without its name as a comparable value.
func identity(l map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(l)) {
		if k != "__name__" {
			fmt.Fprintf(&b, "%q=%q,", k, l[k])
		}
	}
	return b.String()
}
