package counters

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/signals"
)

// parts holds the counters of one family.
type parts struct {
	family string
	series map[string][]prometheus.Series // by suffix
}

// conventions reads the families of signals.Conventions that are present. Without sums
// it reads those of single protocols only, and the sums of calls made only.
func (r *reader) conventions(ctx context.Context, sums bool) ([]parts, error) {
	matchers := map[string]map[string][]string{} // label values by family
	client := map[string]bool{}
	var order []string
	for _, c := range signals.Conventions() {
		if r.present[c.Family]+r.present[c.Family+"_count"] == 0 || !sums && c.Kind.Tier() > 0 {
			continue
		}
		client[c.Family] = client[c.Family] || c.Side == signals.Client
		if matchers[c.Family] == nil {
			matchers[c.Family] = map[string][]string{}
			order = append(order, c.Family)
		}
		for label, values := range c.Only {
			matchers[c.Family][label] = append(matchers[c.Family][label], values...)
		}
	}
	var mu sync.Mutex
	var out []parts
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxQueries)
	for _, family := range order {
		g.Go(func() error {
			var only []string
			for _, label := range slices.Sorted(maps.Keys(matchers[family])) {
				values := matchers[family][label]
				slices.Sort(values)
				only = append(only, fmt.Sprintf("%s=~%q", label, strings.Join(slices.Compact(values), "|")))
			}
			wanted := []string{"_sum", "_count"}
			if !sums && !client[family] { // a hop has the durations of what it serves
				wanted = wanted[1:]
			}
			found, err := r.histogram(ctx, family, strings.Join(only, ", "), wanted...)
			mu.Lock()
			defer mu.Unlock()
			out = append(out, parts{family, found})
			return err
		})
	}
	if sums && r.present[signals.GraphFailures] > 0 {
		g.Go(func() error {
			found, err := samples(ctx, r.c, signals.GraphFailures, r.start, r.end, r.every)
			mu.Lock()
			defer mu.Unlock()
			out = append(out, parts{signals.GraphFailures, map[string][]prometheus.Series{"": found}})
			return err
		})
	}
	err := g.Wait()
	slices.SortFunc(out, func(a, b parts) int { return cmp.Compare(a.family, b.family) })
	return out, err
}

// callKey identifies the calls of one convention: those that a service served, or made
// to a peer.
type callKey struct {
	convention               int // index in signals.Conventions
	service, operation, peer string
	fromSpans                bool // computed from spans, under the names of the service's own metrics
}

// rank returns the precedence of the calls among those of one kind and side.
func (k callKey) rank() int {
	if k.fromSpans {
		return k.convention + len(signals.Conventions())
	}
	return k.convention
}

// measured holds the calls of a callKey.
type measured struct {
	callKey
	signals.Convention
	sum, count, levelSum, levelCount []float64
	failed, levelFailed              []float64
	types                            map[string][]float64
	matchers                         map[string]bool // of its series
}

// measure adds the series up by callKey.
func (t table) measure(r *reader, found []parts) map[callKey]*measured {
	out := map[callKey]*measured{}
	for i, c := range signals.Conventions() {
		for _, p := range found {
			if p.family != c.Family && (p.family != signals.GraphFailures || c.Kind != signals.Graph) {
				continue
			}
			for suffix, series := range p.series {
				for _, s := range series {
					if c.Selects(s.Labels) {
						t.into(r, out, i, c, suffix, s)
					}
				}
			}
		}
	}
	return out
}

func (t table) into(r *reader, out map[callKey]*measured, i int, c signals.Convention, suffix string, s prometheus.Series) {
	service, from := r.service(c.Service, s.Labels)
	if service == "" || service == overflow {
		return
	}
	k := callKey{fromSpans: s.Labels["source"] == fromSpans, convention: i, service: service, operation: cmp.Or(signals.First(s.Labels, r.opt.Labels["operation"]), c.OperationOf(s.Labels))}
	messages := s.Labels["connection_type"] == signals.MessagingEdge
	if messages && c.Side == signals.Client {
		return // no caller waits for the handling of a message
	}
	if !messages && (c.Side == signals.Client || c.Kind.Tier() > signals.Spans.Tier()) {
		k.peer = signals.First(s.Labels, append(slices.Clone(r.opt.Labels["dependency"]), c.Peer...))
	}
	m := out[k]
	if m == nil {
		m = &measured{callKey: k, Convention: c, failed: make([]float64, t.steps), levelFailed: make([]float64, t.steps+t.newer),
			types: map[string][]float64{}, matchers: map[string]bool{}}
		out[k] = m
	}
	if suffix == "_sum" {
		s = scaled(s, c.Unit)
		m.sum, m.levelSum = t.add(m.sum, s), t.scraped(m.levelSum, s)
		return
	}
	kind := "error"
	if suffix == "_count" {
		m.count, m.levelCount = t.add(m.count, s), t.scraped(m.levelCount, s)
		kind = signals.Failure(s.Labels, append(slices.Clone(r.opt.Labels["status"]), c.Status...)...)
		m.matchers[matchersOf(s.Labels, from, r.opt.Labels["operation"], c)] = true
	}
	if kind != "" {
		t.add(m.failed, s)
		t.scraped(m.levelFailed, s)
		m.types[kind] = t.add(m.types[kind], s)
	}
}

// scaled returns a series with its values multiplied by unit.
func scaled(s prometheus.Series, unit float64) prometheus.Series {
	s.Samples = slices.Clone(s.Samples)
	for i := range s.Samples {
		s.Samples[i].Value *= unit
	}
	return s
}

// matchersOf returns the matchers that select the series of a service's operation.
func matchersOf(l map[string]string, service, operation []string, c signals.Convention) string {
	names := slices.Clone(service)
	for _, alternatives := range append([][]string{operation}, c.Operation...) {
		_, n := named(l, alternatives)
		if n == nil {
			n = alternatives // empty: series of other operations may have them
		}
		names = append(names, n...)
	}
	names = append(names, slices.Sorted(maps.Keys(c.Only))...)
	out := make([]string, len(names))
	for i, n := range names {
		quoted := n
		if strings.ContainsFunc(n, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		}) {
			quoted = strconv.Quote(n)
		}
		out[i] = fmt.Sprintf("%s=%q", quoted, l[n])
	}
	return strings.Join(out, ", ")
}

// chosen returns the calls that are read of each service: one family of each kind and
// side, so that no call counts twice.
func chosen(all map[callKey]*measured) []*measured {
	type place struct {
		service string
		side    signals.Side
		kind    signals.Kind
	}
	first := map[place]int{}
	for _, k := range sortedCalls(all) {
		m := all[k]
		p := place{k.service, m.Side, m.Kind}
		if best, ok := first[p]; total(m.count) > 0 && (!ok || k.rank() < best) {
			first[p] = k.rank()
		}
	}
	var out []*measured
	for _, k := range sortedCalls(all) {
		m := all[k]
		if best, ok := first[place{k.service, m.Side, m.Kind}]; ok && k.rank() == best {
			out = append(out, m)
		}
	}
	return out
}

func sortedCalls(all map[callKey]*measured) []callKey {
	return slices.SortedFunc(maps.Keys(all), func(a, b callKey) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.operation, b.operation), cmp.Compare(a.peer, b.peer),
			cmp.Compare(a.rank(), b.rank()))
	})
}

// callSeries returns the requests and calls by service, operation and dependency.
func callSeries(from []*measured) []evidence.CallSeries {
	type key struct {
		service, operation, dependency string
		client                         bool
	}
	index := map[key]int{}
	var out []evidence.CallSeries
	for _, m := range from {
		k := key{m.service, m.operation, "", m.Side == signals.Client}
		if k.client {
			k.dependency = m.peer
		}
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			out = append(out, evidence.CallSeries{Service: k.service, Operation: k.operation, Dependency: k.dependency, Types: map[string][]float64{}})
		}
		c := &out[i]
		if k.client {
			c.Sum = evidence.Plus(c.Sum, m.sum)
		}
		c.Count, c.LevelCount = evidence.Plus(c.Count, m.count), evidence.Plus(c.LevelCount, m.levelCount)
		c.Failed, c.LevelFailed = evidence.Plus(c.Failed, m.failed), evidence.Plus(c.LevelFailed, m.levelFailed)
		for kind, v := range m.types {
			c.Types[kind] = evidence.Plus(c.Types[kind], v)
		}
	}
	return out
}
