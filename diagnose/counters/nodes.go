package counters

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/signals"
)

// allRequests is the operation of an entry whose family has no operations.
const allRequests = "all requests"

// requests returns the calls without those of families that cover the same calls again.
// Of each service and side it keeps the lowest tier that has at least half as many calls
// as any other. A lower tier with fewer lacks a protocol that the service speaks.
func requests(found []*measured) []*measured {
	count := map[callSide]map[int]float64{}
	for _, m := range found {
		k := callSide{m.service, m.Side}
		if count[k] == nil {
			count[k] = map[int]float64{}
		}
		count[k][m.Kind.Tier()] += total(m.count)
	}
	best := map[callSide]int{}
	for k, tiers := range count {
		most := slices.Max(slices.Collect(maps.Values(tiers)))
		for _, tier := range slices.Sorted(maps.Keys(tiers)) {
			if 2*tiers[tier] >= most {
				best[k] = tier
				break
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(found), func(m *measured) bool { return m.Kind.Tier() != best[callSide{m.service, m.Side}] })
}

type callSide struct {
	service string
	side    signals.Side
}

// conventional returns the evidence of families that know nothing of entries. They tell
// the self time of a service as the time of the calls that it served less that of those
// that it made.
func (t table) conventional(found []*measured) evidence.Metrics {
	ev := evidence.Metrics{Start: t.start, Step: t.step, Steps: t.steps, Newest: t.newest(), Foreign: map[string]bool{}, RED: true}
	names := newResolver(found)
	read := requests(found)
	for _, m := range read {
		if m.Side == signals.Client {
			m.peer, _ = names.target(m)
		} else if m.operation == "" && m.Kind.Tier() > signals.Spans.Tier() {
			m.operation = allRequests
		}
	}
	ev.Calls = callSeries(read)
	nodes := map[string]*evidence.NodeSeries{}
	made := false
	for _, m := range read {
		n := nodes[m.service]
		if n == nil {
			n = &evidence.NodeSeries{Service: m.service}
			nodes[m.service] = n
		}
		if m.Side == signals.Server {
			n.Served = plusCalls(n.Served, evidence.TimedCalls{Operation: m.operation, Sum: m.sum, Count: m.count})
			continue
		}
		made = made || total(m.sum) > 0
		n.Made = plusCalls(n.Made, evidence.TimedCalls{Operation: m.operation, Target: m.peer, Known: names.services[m.peer], Store: m.Kind == signals.Database,
			Sum: m.sum, Count: m.count})
	}
	made = names.edges(found, nodes) || made
	ev.Entries = t.edgeEntries(read, called(found, names))
	if !made {
		return ev
	}
	ev.Limits = "self times are those of calls served less those of calls made; where calls overlap, a part is an upper bound"
	for _, service := range slices.Sorted(maps.Keys(nodes)) {
		if n := nodes[service]; len(n.Served) > 0 {
			ev.Nodes = append(ev.Nodes, *n)
		}
	}
	return ev
}

// plusCalls adds calls to those of the same operation and target.
func plusCalls(to []evidence.TimedCalls, c evidence.TimedCalls) []evidence.TimedCalls {
	for i := range to {
		if to[i].Operation == c.Operation && to[i].Target == c.Target {
			to[i].Sum, to[i].Count = evidence.Plus(to[i].Sum, c.Sum), evidence.Plus(to[i].Count, c.Count)
			return to
		}
	}
	return append(to, c)
}

// resolver maps the peers of calls to services.
type resolver struct {
	services map[string]bool
	server   map[string]string // the only service that serves an operation, or ""
}

func newResolver(found []*measured) resolver {
	r := resolver{map[string]bool{}, map[string]string{}}
	for _, m := range found {
		if m.Side != signals.Server || total(m.count) == 0 {
			continue
		}
		r.services[m.service] = true
		if s, ok := r.server[m.operation]; ok && s != m.service {
			r.server[m.operation] = ""
		} else {
			r.server[m.operation] = m.service
		}
	}
	return r
}

// service returns the service that a peer names: itself, or the first part of its host.
func (r resolver) service(peer string) string {
	if r.services[peer] {
		return peer
	}
	_, host, ok := strings.Cut(peer, "://")
	if !ok {
		host = peer
	}
	host, _, _ = strings.Cut(host, "/")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for _, name := range []string{host, strings.Split(host, ".")[0]} {
		if r.services[name] {
			return name
		}
	}
	return peer
}

// target returns the callee of calls and whether it is a service: the one that the peer
// names or, without a peer that names one, the only one that serves the operation. An
// operation without a service, such as an HTTP method, tells nothing.
func (r resolver) target(m *measured) (string, bool) {
	if s := r.service(m.peer); r.services[s] {
		return s, true
	}
	if s := r.server[m.operation]; s != "" && s != m.service && m.Kind != signals.Database && strings.ContainsAny(m.operation, "/. ") {
		return s, true
	}
	return cmp.Or(m.peer, m.operation), false
}

// edges sets the Edges of nodes whose calls do not name their callees, from a service
// graph or a mesh. It reports whether there are any.
func (r resolver) edges(found []*measured, nodes map[string]*evidence.NodeSeries) bool {
	any := false
	for _, kind := range []signals.Kind{signals.Graph, signals.Mesh} {
		add := map[string][]evidence.TimedCalls{}
		for _, m := range found {
			n := nodes[m.service]
			if m.Kind != kind || m.Side != signals.Client || n == nil || n.Edges != nil || m.sum == nil {
				continue
			}
			if !slices.ContainsFunc(n.Made, func(c evidence.TimedCalls) bool { return !c.Known && !c.Store }) && len(n.Made) > 0 {
				continue
			}
			peer := r.service(m.peer)
			add[m.service] = plusCalls(add[m.service], evidence.TimedCalls{Target: peer, Known: r.services[peer], Sum: m.sum, Count: m.count})
		}
		for service, edges := range add {
			nodes[service].Edges, any = edges, true
		}
	}
	return any
}

// called returns the number of calls to each service that other services are known to
// make.
func called(found []*measured, names resolver) map[string]float64 {
	most := map[string]map[signals.Kind]float64{}
	add := func(caller, callee string, m *measured) {
		if caller == callee || !names.services[caller] || !names.services[callee] {
			return
		}
		if most[callee] == nil {
			most[callee] = map[signals.Kind]float64{}
		}
		kind := m.Kind
		if kind.Tier() == 0 {
			kind = signals.HTTP // protocols add up
		}
		most[callee][kind+signals.Kind(m.Side)] += total(m.count)
	}
	for _, m := range found {
		switch {
		case m.Side == signals.Client:
			if to, ok := names.target(m); ok {
				add(m.service, to, m)
			}
		case m.Kind.Tier() > signals.Spans.Tier():
			add(m.peer, m.service, m)
		}
	}
	out := map[string]float64{}
	for callee, kinds := range most {
		for _, n := range kinds {
			out[callee] = max(out[callee], n)
		}
	}
	return out
}

// edgeEntries returns the operations at which requests begin: those of services that
// serve at least twice as many requests as other services are known to send. If every
// service is called by another, all are returned.
func (t table) edgeEntries(read []*measured, called map[string]float64) []evidence.EntrySeries {
	served := map[string]float64{}
	for _, m := range read {
		if m.Side == signals.Server {
			served[m.service] += total(m.count)
		}
	}
	type key struct{ service, operation string }
	index := map[key]int{}
	var out, inner []evidence.EntrySeries
	for _, m := range read {
		k := key{m.service, m.operation}
		if m.Side != signals.Server || m.sum == nil || m.count == nil || m.operation == "" || strings.Contains(m.operation, overflow) {
			continue
		}
		list := &out
		if 2*called[m.service] > served[m.service] {
			list = &inner
		}
		i, ok := index[k]
		if !ok {
			i = len(*list)
			index[k] = i
			*list = append(*list, evidence.EntrySeries{Entry: result.Entry{Service: k.service, Operation: k.operation}})
		}
		e := &(*list)[i]
		e.Sum, e.Count = evidence.Plus(e.Sum, m.sum), evidence.Plus(e.Count, m.count)
		e.LevelSum, e.LevelCount = evidence.Plus(e.LevelSum, m.levelSum), evidence.Plus(e.LevelCount, m.levelCount)
		e.Histograms = append(e.Histograms, m.histograms()...)
	}
	if len(out) == 0 {
		return inner
	}
	return out
}

// histograms returns the histograms of the calls.
func (m *measured) histograms() []evidence.Histogram {
	var out []evidence.Histogram
	for _, matchers := range slices.Sorted(maps.Keys(m.matchers)) {
		out = append(out, evidence.Histogram{Family: m.Family, Matchers: matchers, Unit: m.Unit})
	}
	return out
}
