package servicemap

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tenhop/tenhop/query/prometheus"
)

// hotShare is the minimum share of an entry's added time that marks a hop or edge as hot.
const hotShare = 0.3

// serviceMap joins the query results. A node is a service that reports metrics,
// or a dependency that its callers report.
type serviceMap struct {
	answers map[string][]prometheus.Value
	nodes   map[string]*Hop
	hot     map[[2]string]bool // edges, as caller and callee
}

func newMap(answers map[string][]prometheus.Value) *serviceMap {
	m := &serviceMap{answers: answers, nodes: map[string]*Hop{}, hot: map[[2]string]bool{}}
	m.services()
	m.waiting()
	m.dependencies()
	m.mark()
	return m
}

func (m *serviceMap) node(name string) *Hop {
	if m.nodes[name] == nil {
		m.nodes[name] = &Hop{Name: name, Kind: "service", Operations: []Operation{}}
	}
	return m.nodes[name]
}

func (m *serviceMap) services() {
	type op struct{ service, name string }
	ops := map[op]*Operation{}
	for _, x := range m.answers["rate"] {
		if x.Value == 0 {
			continue
		}
		k := op{x.Labels["service_name"], x.Labels["operation"]}
		ops[k] = &Operation{Name: k.name, Rate: x.Value}
		m.node(k.service).Rate += x.Value
	}
	selfSum := map[string]float64{}
	for _, x := range m.answers["self"] {
		k := op{x.Labels["service_name"], x.Labels["operation"]}
		selfSum[k.service] += x.Value
		if o := ops[k]; o != nil {
			mean := x.Value / o.Rate
			o.Self = &mean
		}
	}
	for _, x := range m.answers["opP95"] {
		if o := ops[op{x.Labels["service_name"], x.Labels["operation"]}]; o != nil {
			o.P95 = &x.Value
		}
	}
	for _, x := range m.answers["opFailed"] {
		if o := ops[op{x.Labels["service_name"], x.Labels["operation"]}]; o != nil {
			o.Errors = x.Value
		}
	}
	for k, o := range ops {
		m.node(k.service).Operations = append(m.node(k.service).Operations, *o)
	}
	for name, n := range m.nodes {
		if sum, ok := selfSum[name]; ok && n.Rate > 0 {
			mean := sum / n.Rate
			n.Self = &mean
		}
		slices.SortFunc(n.Operations, func(a, b Operation) int {
			return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(a.Name, b.Name))
		})
	}
	for _, x := range m.answers["p95"] {
		if n := m.nodes[x.Labels["service_name"]]; n != nil {
			n.P95 = &x.Value
		}
	}
	for _, x := range m.answers["failed"] {
		if n := m.nodes[x.Labels["service_name"]]; n != nil {
			n.Errors = x.Value
		}
	}
	for _, x := range m.answers["shed"] {
		if n := m.nodes[x.Labels["service_name"]]; n != nil {
			n.Shed = x.Value
		}
	}
}

// dependencies adds the nodes that only their callers report.
func (m *serviceMap) dependencies() {
	seen := map[string]bool{}
	for _, x := range m.answers["waits"] {
		name := x.Labels["dependency"]
		if m.nodes[name] == nil || seen[name] {
			seen[name] = true
			n := m.node(name)
			n.Rate += x.Value
			if k := x.Labels["dependency_kind"]; k == "database" || k == "cache" {
				n.Kind = "store"
			}
		}
	}
}

// mark marks the nodes and edges to which the added time of a spike is attributed.
func (m *serviceMap) mark() {
	type flow struct{ entry, flow string }
	spiking := map[flow]float64{} // to the added time, in seconds
	for _, x := range m.answers["spiking"] {
		if x.Value > 0 {
			spiking[flow{x.Labels["entry"], x.Labels["flow"]}] = 0
		}
	}
	for sign, name := range map[float64]string{1: "mean", -1: "baseline"} {
		for _, x := range m.answers[name] {
			k := flow{x.Labels["entry"], x.Labels["flow"]}
			if _, ok := spiking[k]; ok {
				spiking[k] += sign * x.Value
			}
		}
	}
	for _, x := range m.answers["added"] {
		gained, ok := spiking[flow{x.Labels["entry"], x.Labels["flow"]}]
		if !ok || gained <= 0 {
			continue
		}
		m.place(x, x.Value/gained)
	}
}

// place attributes a contribution to a node. A wait is also attributed to edges.
func (m *serviceMap) place(x prometheus.Value, share float64) {
	service, dependency := x.Labels["service_name"], x.Labels["dependency"]
	target, why := service, ""
	switch x.Labels["kind"] {
	case "self":
		why = x.Labels["operation"] + ": self time"
	case "dependency":
		target, why = dependency, service+" waits for it"
		if m.nodes[dependency] == nil { // a connection pool, or a topic
			target, why = service, "waits for "+dependency
		}
		m.hot[[2]string{service, dependency}] = m.hot[[2]string{service, dependency}] || share >= hotShare
	case "link":
		target, why = dependency, "the link to it"
		for _, w := range m.answers["waits"] {
			if w.Labels["dependency"] == dependency && share >= hotShare {
				m.hot[[2]string{w.Labels["service_name"], dependency}] = true
			}
		}
	case "queue":
		why = x.Labels["operation"] + ": records wait"
	}
	n := m.nodes[target]
	if n == nil || x.Value <= n.Added {
		return
	}
	n.Added, n.Share, n.Hot = x.Value, share, share >= hotShare
	if n.Hot {
		n.Why = fmt.Sprintf("%s %+.0f ms, %.0f %% of what %s gained", why, 1000*x.Value, 100*share, x.Labels["entry"])
	}
}

func (m *serviceMap) hops() []Hop {
	out := []Hop{}
	for _, n := range m.nodes {
		out = append(out, *n)
	}
	slices.SortFunc(out, func(a, b Hop) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (m *serviceMap) edges() []Edge {
	type key struct{ from, to, kind string }
	waited := map[key]float64{}
	of := func(x prometheus.Value) key {
		return key{x.Labels["service_name"], x.Labels["dependency"], x.Labels["dependency_kind"]}
	}
	for _, x := range m.answers["waited"] {
		waited[of(x)] = x.Value
	}
	out := []Edge{}
	for _, x := range m.answers["waits"] {
		k := of(x)
		e := Edge{From: k.from, To: k.to, Kind: k.kind, Rate: x.Value, Hot: m.hot[[2]string{k.from, k.to}]}
		m.resilience(&e)
		if x.Value == 0 && e.Retries == 0 && e.Refused == nil && e.Breaker == "" {
			continue
		}
		if x.Value > 0 {
			mean := waited[k] / x.Value
			e.Mean = &mean
		}
		out = append(out, e)
	}
	out = append(out, m.topics()...)
	slices.SortFunc(out, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// resilience sets which calls of an edge were made again or not at all. While a circuit
// breaker is open, there may be no others.
func (m *serviceMap) resilience(e *Edge) {
	of := func(x prometheus.Value) bool {
		return x.Value > 0 && x.Labels["service_name"] == e.From && x.Labels["dependency"] == e.To
	}
	for _, x := range m.answers["retries"] {
		if of(x) {
			e.Retries += x.Value
		}
	}
	for _, x := range m.answers["refused"] {
		if of(x) {
			if e.Refused == nil {
				e.Refused = map[string]float64{}
			}
			e.Refused[x.Labels["reason"]] += x.Value
		}
	}
	for _, x := range m.answers["breakers"] {
		switch {
		case !of(x):
		case x.Value >= 2:
			e.Breaker = "open"
		default:
			e.Breaker = "half-open"
		}
	}
}
