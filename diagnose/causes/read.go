package causes

import (
	"context"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// Bounds of what is read.
const (
	maxBaseline = 5 * time.Minute // before now, or minScrapes scrapes if that is longer
	minScrapes  = 30
	maxPeers    = 16               // targets of other services
	maxTargets  = 48               // targets of the suspects
	maxGap      = 60 * time.Second // after the end of the window of now, that still belongs to it
)

// Families of the middleware that are read by instance.
const (
	selfFamily = "hop_self_duration_seconds"
	selfSum    = selfFamily + "_sum"
	selfCount  = selfFamily + "_count"
)

// table holds the signals of the suspects and of some other services.
type table struct {
	windows   windows
	instances []*instance
	series    int
	self      map[*instance]selfTrack
	deploys   []result.Deploy
	wanders   wandering
}

// selfTrack holds the self time and the number of messages of an instance, per second.
type selfTrack struct{ time, count []point }

// target identifies the series of one scrape target.
type target struct{ job, instance string }

type reader struct {
	c     *prometheus.Client
	q     Question
	span  string // the range selector
	end   time.Time
	names map[string]signals.CauseSignal // of series that exist

	native []string          // histograms of which only the native form exists, without _sum
	info   map[target]string // service.name from target_info
	table  *table
	index  map[[2]string]*instance
}

func read(ctx context.Context, c *prometheus.Client, q Question, suspects []string) (*table, error) {
	w := windowsOf(q)
	start := w.baseline[0].From
	r := &reader{c: c, q: q, end: w.now.To, index: map[[2]string]*instance{}, info: map[target]string{},
		span:  fmt.Sprintf("[%dms]", w.now.To.Sub(start).Milliseconds()),
		table: &table{windows: w, self: map[*instance]selfTrack{}, deploys: q.Result.Deploys}}
	targets, err := r.targets(ctx)
	if err != nil || len(r.names)+len(r.native) == 0 {
		return r.table, err
	}
	own, peers := choose(targets, suspects)
	if err := r.processes(ctx, own, peers); err != nil {
		return nil, err
	}
	if err := r.containers(ctx, suspects, own); err != nil {
		return nil, err
	}
	slices.SortFunc(r.table.instances, func(a, b *instance) int {
		return strings.Compare(a.service+"\x00"+a.name, b.service+"\x00"+b.name)
	})
	return r.table, nil
}

// windowsOf returns the times to compare. The baseline is not longer than needed, and what
// was scraped since the window of now ended belongs to it.
func windowsOf(q Question) windows {
	r := q.Result
	w := windows{now: r.Window}
	if q.Now.After(w.now.To) && q.Now.Sub(w.now.To) <= maxGap {
		w.now.To = q.Now
	}
	length := max(maxBaseline, time.Duration(minScrapes*r.ResolutionS*float64(time.Second)))
	for _, b := range r.BaselineRanges() {
		if earliest := r.Window.From.Add(-length); r.Baseline.To.After(earliest) && b.From.Before(earliest) {
			b.From = earliest
		}
		if b.To.After(b.From) {
			w.baseline = append(w.baseline, b)
		}
	}
	if len(w.baseline) == 0 {
		w.baseline = []result.Range{r.Baseline}
	}
	return w
}

// targets finds out which series exist and which targets export them.
func (r *reader) targets(ctx context.Context) (map[string][]map[string]string, error) {
	known := map[string]signals.CauseSignal{}
	for _, s := range signals.CauseSignals() {
		if _, ok := known[s.Series]; !ok {
			known[s.Series] = s
		}
	}
	all := slices.Sorted(maps.Keys(known))
	histograms := map[string]bool{selfFamily: true, signals.DatabaseClient: true}
	for _, name := range all {
		if family, ok := strings.CutSuffix(name, "_sum"); ok {
			histograms[family] = true
		}
	}
	asked := slices.Concat(all, slices.Sorted(maps.Keys(histograms)), []string{selfSum, "target_info"})
	found, err := r.c.Instant(ctx, fmt.Sprintf(`count by (__name__) (last_over_time({__name__=~"%s"}%s))`, strings.Join(asked, "|"), r.span), r.end)
	if err != nil {
		return nil, err
	}
	r.names = map[string]signals.CauseSignal{}
	anchors := []string{}
	anchor := []signals.Measure{signals.Started, signals.CPUTime, signals.Stalls, signals.GCPause, signals.ScheduleWait}
	hasInfo, present := false, map[string]bool{}
	for _, f := range found {
		name := f.Labels["__name__"]
		present[name] = true
		s, ok := known[name]
		if !ok {
			hasInfo = hasInfo || name == "target_info"
			continue
		}
		r.names[name] = s
		if s.Service == nil && !s.Host && slices.Contains(anchor, s.Measure) {
			anchors = append(anchors, name)
		}
	}
	for family := range histograms {
		if present[family] && !present[family+"_sum"] {
			r.native = append(r.native, family)
		}
	}
	slices.Sort(r.native)
	if hasInfo {
		info, err := r.c.Instant(ctx, `last_over_time(target_info{service_name!=""}`+r.span+`)`, r.end)
		if err != nil {
			return nil, err
		}
		for _, f := range info {
			r.info[targetOf(f.Labels)] = f.Labels["service_name"]
		}
	}
	if len(anchors) == 0 {
		anchors = []string{"up"}
	}
	by := []string{"job", "instance", "pod", "service_instance_id"}
	for _, l := range slices.Concat(signals.ServiceLabels(), r.q.Labels["service"], r.q.Labels["instance"]) {
		if legacyName(l) && !slices.Contains(by, l) {
			by = append(by, l)
		}
	}
	rows, err := r.c.Instant(ctx, fmt.Sprintf(`group by (%s) (last_over_time({__name__=~"%s"}%s))`, strings.Join(by, ","), strings.Join(anchors, "|"), r.span), r.end)
	if err != nil {
		return nil, err
	}
	out := map[string][]map[string]string{}
	for _, row := range rows {
		service := r.service(row.Labels)
		out[service] = append(out[service], row.Labels)
	}
	return out, nil
}

// legacyName reports whether a label can be named in PromQL without quotes.
func legacyName(l string) bool { return regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`).MatchString(l) }

func targetOf(l map[string]string) target { return target{l["job"], l["instance"]} }

func (r *reader) service(l map[string]string) string {
	return signals.ServiceOf(l, r.q.Labels["service"], r.info[targetOf(l)])
}

// name returns the name of an instance for people.
func (r *reader) name(l map[string]string) string {
	return signals.First(l, slices.Concat(r.q.Labels["instance"], []string{"service_instance_id", "pod", "instance"}))
}

// choose returns the targets of the suspects and some of other services, evenly drawn.
func choose(targets map[string][]map[string]string, suspects []string) (own, peers []map[string]string) {
	for _, s := range suspects {
		own = append(own, targets[s]...)
	}
	own = own[:min(len(own), maxTargets)]
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(targets)), func(s string) bool { return slices.Contains(suspects, s) })
	for i := range min(len(others), maxPeers) {
		peers = append(peers, targets[others[i*len(others)/min(len(others), maxPeers)]][0])
	}
	return own, peers
}

// processes reads the signals that targets export themselves, and those of their scrapes.
func (r *reader) processes(ctx context.Context, own, peers []map[string]string) error {
	var names []string
	for name, s := range r.names {
		if s.Service == nil && s.Measure != signals.StoreTime && s.Measure != signals.StoreCalls {
			names = append(names, name)
		}
	}
	services := map[target]map[string]string{}
	for _, l := range slices.Concat(own, peers) {
		services[targetOf(l)] = l
	}
	if len(services) == 0 || len(names)+len(r.native) == 0 {
		return nil
	}
	slices.Sort(names)
	host := slices.ContainsFunc(names, func(n string) bool { return r.names[n].Host })
	found, err := r.matrix(ctx, names, "instance", instances(slices.Concat(own, peers)))
	if err != nil {
		return err
	}
	if len(own) > 0 {
		more := []string{selfSum, selfCount, signals.DatabaseClient + "_sum", signals.DatabaseClient + "_count"}
		if slices.ContainsFunc(r.q.Result.Findings, func(f result.Finding) bool { return f.Kind == result.KindDependency }) {
			more = append(more, signals.DatabaseClient+"_bucket")
		}
		of, err := r.matrix(ctx, more, "instance", instances(own))
		if err != nil {
			return err
		}
		found = append(found, of...)
	}
	natively, err := r.natives(ctx, slices.Concat(own, peers))
	if err != nil {
		return err
	}
	found = append(found, natively...)
	if host {
		nodes, err := r.matrix(ctx, []string{"node_pressure_.*"}, "", nil)
		if err != nil {
			return err
		}
		found = append(found, r.hosted(nodes, own)...)
	}
	kept := found[:0]
	for _, s := range found {
		l := services[targetOf(s.Labels)]
		if l == nil {
			continue
		}
		for _, k := range []string{"service_instance_id", "pod"} {
			if s.Labels[k] == "" && l[k] != "" {
				s.Labels[k] = l[k]
			}
		}
		s.Labels["\x00service"] = r.service(l)
		kept = append(kept, s)
	}
	r.add(kept)
	return nil
}

// hosted returns the series of machines as series of the targets on them.
func (r *reader) hosted(nodes []prometheus.Series, own []map[string]string) []prometheus.Series {
	var out []prometheus.Series
	for _, l := range own {
		for _, n := range nodes {
			if host(n.Labels["instance"]) == host(l["instance"]) || n.Labels["node"] != "" && n.Labels["node"] == l["node"] {
				labels := map[string]string{"__name__": n.Labels["__name__"], "job": l["job"], "instance": l["instance"]}
				out = append(out, prometheus.Series{Labels: labels, Samples: n.Samples})
			}
		}
	}
	return out
}

func host(instance string) string {
	if h, _, err := net.SplitHostPort(instance); err == nil {
		return h
	}
	return instance
}

// instances returns the values of the label instance.
func instances(labels []map[string]string) []string {
	var out []string
	for _, l := range labels {
		out = append(out, l["instance"])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// containers reads the signals that exporters report about the suspects' containers, pods
// and processes.
func (r *reader) containers(ctx context.Context, suspects []string, own []map[string]string) error {
	var names, labels []string
	for name, s := range r.names {
		if s.Service != nil {
			names = append(names, name)
			labels = append(labels, s.Service...)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	slices.Sort(labels)
	pods := map[string]string{}
	for _, l := range own {
		if l["pod"] != "" {
			pods[l["pod"]] = r.service(l)
		}
	}
	var all []prometheus.Series
	seen := map[string]bool{}
	ask := func(label string, values []string) error {
		if len(values) == 0 {
			return nil
		}
		found, err := r.matrix(ctx, names, label, values)
		for _, s := range found {
			id := fmt.Sprint(s.Labels)
			if seen[id] || s.Labels["container"] == "POD" {
				continue
			}
			seen[id] = true
			sig := r.names[s.Labels["__name__"]]
			service := pods[s.Labels["pod"]]
			if v := signals.First(s.Labels, sig.Service); slices.Contains(suspects, v) {
				service = v
			}
			s.Labels["\x00service"] = service
			all = append(all, s)
		}
		return err
	}
	for _, label := range slices.Compact(labels) {
		if err := ask(label, suspects); err != nil {
			return err
		}
	}
	if err := ask("pod", slices.Sorted(maps.Keys(pods))); err != nil {
		return err
	}
	r.add(all)
	return nil
}

// matrix reads the samples of series whose label has one of the values; "" is any.
func (r *reader) matrix(ctx context.Context, names []string, label string, values []string) ([]prometheus.Series, error) {
	matcher := ""
	if label != "" {
		quoted := make([]string, len(values))
		for i, v := range values {
			quoted[i] = regexp.QuoteMeta(v)
		}
		matcher = fmt.Sprintf(", %s=~%q", label, strings.Join(quoted, "|"))
	}
	found, err := r.c.Matrix(ctx, fmt.Sprintf(`{__name__=~"%s"%s}%s`, strings.Join(names, "|"), matcher, r.span), r.end)
	r.table.series += len(found)
	for i := range found {
		if found[i].Labels == nil {
			found[i].Labels = map[string]string{}
		}
	}
	return found, err
}
