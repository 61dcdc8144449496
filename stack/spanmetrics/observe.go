package spanmetrics

import (
	"cmp"
	"time"

	"github.com/tenhop/tenhop/trace"
)

// wait is what a hop waits for.
type wait struct{ dependency, kind string }

// waited is the time that a hop waited for a dependency.
type waited struct {
	wait
	took  time.Duration
	until time.Duration // end of the calls so far
}

// observe computes the metrics of a trace. learn is false if it may lack spans that
// would still have arrived.
func (p *Processor) observe(t *open, now time.Time, learn bool) {
	c := &p.trace
	c.load(t.records, p.window.roots, learn)
	if c.missing() {
		p.health.incomplete.Inc()
	}
	p.learnCallees(c)
	for i := range c.out.Spans {
		s, f := &c.out.Spans[i], c.facts[i]
		switch {
		case s.Kind.Calls():
			p.call(c, i, t.id, now)
		case c.hop[i]:
			p.durations(s, f, c.tree.Took(i), t.id, now)
			if !p.own(s.Service, Hops, now) {
				p.hop(c, i, t.id, now)
			}
		}
	}
}

// hop observes the hop_* families.
func (p *Processor) hop(c *collapsed, i int, id string, now time.Time) {
	s, f, tree := &c.out.Spans[i], c.facts[i], &c.tree
	at, entry, async := c.entry(i)
	if entry == "" && c.lost[i] {
		p.health.headless.Inc()
		return
	}
	entry = cmp.Or(entry, c.facts[at].operation)
	flow := "request"
	if async {
		flow = "async"
	}
	p.families.self.observe(tree.Self(i).Seconds(), id, now, s.Service, f.protocol, f.operation, entry, flow)
	p.families.whole.observe(tree.Took(i).Seconds(), id, now, s.Service, f.protocol, f.operation, entry, flow)
	for _, w := range p.waitsOf(c, i) {
		p.families.wait.observe(w.took.Seconds(), id, now, s.Service, f.operation, entry, flow, w.dependency, w.kind)
	}
	if s.Kind != trace.Consumer {
		return
	}
	if q, ok := tree.Queue(i); ok {
		p.families.queue.observe(q.Took().Seconds(), id, now, s.Service, f.operation, entry)
	}
	p.families.completion.observe((tree.End(i) - tree.Start(at)).Seconds(), id, now, s.Service, f.operation, entry)
}

// waitsOf returns the waits of a hop: for each dependency the union of the intervals of
// the calls to it. The result is valid until the next call.
func (p *Processor) waitsOf(c *collapsed, i int) []waited {
	p.waits = p.waits[:0]
	if len(p.waitIndex) > 256 { // clearing takes time proportional to the largest size
		p.waitIndex = map[wait]int{}
	}
	clear(p.waitIndex)
	tree := &c.tree
	for _, child := range tree.Children(i) { // by start
		if tree.Async(child) || !c.out.Spans[child].Kind.Calls() {
			continue
		}
		d := p.dependency(c, child)
		k, ok := p.waitIndex[d]
		if !ok {
			k = len(p.waits)
			p.waitIndex[d] = k
			p.waits = append(p.waits, waited{wait: d, until: tree.Start(i)})
		}
		w := &p.waits[k]
		from, to := max(tree.Start(child), w.until), min(tree.End(child), tree.End(i))
		w.took += max(to-from, 0)
		w.until = max(w.until, to)
	}
	return p.waits
}

// dependency returns what a call waits for: the service that has the callee's span, or
// the peer that the call names.
func (p *Processor) dependency(c *collapsed, i int) wait {
	f := c.facts[i]
	if f.messaging {
		return wait{f.peer, f.kind}
	}
	if callee := c.tree.Callee(i); callee != trace.None {
		return wait{c.out.Spans[callee].Service, callKind(f, c.facts[callee])}
	}
	if name := p.callees.of(f); name != "" {
		return wait{name, f.kind}
	}
	return wait{f.peer, f.kind}
}

// callKind returns the kind of a call. The span that served it tells when the call's
// own span does not.
func callKind(call, served *facts) string {
	if call.kind == protoInternal || call.kind == protoRPC {
		return cmp.Or(served.kind, call.kind)
	}
	return call.kind
}

// durations observes the duration of a request, RPC or message that was served.
func (p *Processor) durations(s *trace.Span, f *facts, took time.Duration, id string, now time.Time) {
	v := took.Seconds()
	switch {
	case f.messaging:
		if !p.own(s.Service, Messages, now) {
			p.families.message.observe(v, id, now, s.Service, f.system, f.verb, f.destination, f.errorType)
		}
	case f.protocol == protoHTTP:
		if !p.own(s.Service, HTTP, now) {
			p.families.http.observe(v, id, now, s.Service, f.method, f.route, f.status, f.errorType, f.scheme)
		}
	case s.Kind == trace.Server && (f.protocol == protoGRPC || f.protocol == protoRPC):
		if !p.own(s.Service, RPC, now) {
			p.families.rpc.observe(v, id, now, s.Service, cmp.Or(f.system, f.protocol), f.operation, f.status, f.errorType)
		}
	}
}

// Connection types of the service graph.
const (
	typeDatabase  = "database"
	typeMessaging = "messaging_system"
	typeVirtual   = "virtual_node"
)

// call observes the service graph, and the durations of messages sent.
func (p *Processor) call(c *collapsed, i int, id string, now time.Time) {
	s, f := &c.out.Spans[i], c.facts[i]
	took := c.tree.Took(i).Seconds()
	if f.messaging && s.Kind == trace.Producer && !p.own(s.Service, Sends, now) {
		p.families.sent.observe(took, id, now, s.Service, f.system, f.verb, f.destination, f.errorType)
	}
	if p.noGraph {
		return
	}
	edge := func(server, connection string, served int) {
		failed := f.errorType != ""
		p.families.request.inc(now, s.Service, server, connection)
		p.families.client.observe(took, id, now, s.Service, server, connection)
		if served != trace.None {
			failed = failed || c.facts[served].errorType != ""
			p.families.server.observe(c.tree.Took(served).Seconds(), id, now, s.Service, server, connection)
		}
		if failed {
			p.families.failed.inc(now, s.Service, server, connection)
		}
	}
	served := false
	for _, child := range c.tree.Children(i) {
		if c.hop[child] {
			served = true
			connection := ""
			if c.out.Spans[child].Kind == trace.Consumer {
				connection = typeMessaging
			}
			edge(c.out.Spans[child].Service, connection, child)
		}
	}
	if served {
		return
	}
	switch w := p.dependency(c, i); {
	case f.messaging:
	case f.kind == kindDatabase || f.kind == kindCache:
		edge(w.dependency, typeDatabase, trace.None)
	default:
		edge(w.dependency, typeVirtual, trace.None)
	}
}

// callees holds the services that answered at an address, so that a call without an
// answer belongs to the same dependency. An address of several services has an empty
// name.
type callees map[string]string

func (p *Processor) learnCallees(c *collapsed) {
	for i := range c.out.Spans {
		f := c.facts[i]
		if f.addr == "" || f.messaging || !c.out.Spans[i].Kind.Calls() {
			continue
		}
		callee := c.tree.Callee(i)
		if callee == trace.None || !c.hop[callee] {
			continue
		}
		name := c.out.Spans[callee].Service
		switch known, ok := p.callees[f.addr]; {
		case !ok && len(p.callees) < maxServices:
			p.callees[f.addr] = name
		case ok && known != name:
			p.callees[f.addr] = ""
		}
	}
}

func (c callees) of(f *facts) string {
	if f.addr == "" || f.kind == kindDatabase || f.kind == kindCache {
		return ""
	}
	return c[f.addr]
}
