package drill

import (
	"context"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// stored is a source of traces.
type stored struct {
	query.Tracer
	traces []trace.Trace
}

func (s stored) Traces(context.Context, query.Search) ([]trace.Trace, error) { return s.traces, nil }

// Hops tells services that write within the requests from those that only read, or write
// later, and how long their calls take.
func TestHops(t *testing.T) {
	began := time.Unix(1_700_000_000, 0)
	span := func(id, parent, service, operation string, kind trace.Kind, start, took time.Duration, attributes ...string) trace.Span {
		s := trace.Span{ID: id, Parent: parent, Service: service, Operation: operation, Kind: kind, Start: began.Add(start), Duration: took, Attributes: map[string]string{}}
		for i := 0; i < len(attributes); i += 2 {
			s.Attributes[attributes[i]] = attributes[i+1]
		}
		return s
	}
	const ms = time.Millisecond
	one := trace.Trace{ID: "1", Spans: []trace.Span{
		span("1", "", "edge", "POST /buy", trace.Server, 0, 100*ms),
		span("2", "1", "edge", "Login", trace.Client, 1*ms, 10*ms),
		span("3", "2", "login", "Login", trace.Server, 2*ms, 8*ms),
		span("4", "3", "login", "SELECT", trace.Client, 3*ms, 2*ms, "db.system.name", "sqlite", "db.operation.name", "SELECT"),
		span("5", "1", "edge", "Pay", trace.Client, 20*ms, 30*ms),
		span("6", "5", "pay", "Pay", trace.Server, 21*ms, 28*ms),
		span("7", "6", "pay", "ledger", trace.Client, 22*ms, 2*ms, "db.system", "mysql", "db.statement", "insert into ledger values (?)"),
		span("8", "1", "edge", "Ship", trace.Client, 60*ms, 2*ms),
		span("9", "8", "ship", "Ship", trace.Server, 60*ms, 1*ms),
		span("10", "9", "ship", "INSERT", trace.Client, 200*ms, 2*ms, "db.system.name", "sqlite", "db.operation.name", "INSERT"),
		span("11", "9", "ship", "SET", trace.Client, 60*ms, 1*ms, "db.system.name", "redis", "db.operation.name", "SET"),
	}}
	hops, err := Hops(t.Context(), stored{traces: []trace.Trace{one, one}}, Entry{"edge", "POST /buy"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Hop{
		"edge": {Calls: 42 * ms, Callee: "pay"}, "login": {Store: true}, "pay": {Store: true, Writes: true}, "ship": {},
	}
	for _, h := range hops {
		w := want[h.Service]
		w.Service, w.Operation, w.Request = h.Service, h.Operation, 100*ms
		if h != w {
			t.Errorf("%+v, want %+v", h, w)
		}
	}
	if len(hops) != len(want) {
		t.Errorf("%v", hops)
	}
}

// Customers can feel each fault that is chosen: a lock holds up what writes, and repeated
// calls take time.
func TestChooseFelt(t *testing.T) {
	services := map[string][]string{"reads": {"reads"}, "writes": {"writes"}, "asks": {"asks"}, "seldom": {"seldom"}}
	const ms = time.Millisecond
	hops := []Hop{{Service: "asks", Operation: "A", Calls: 4 * ms, Request: 200 * ms}, {Service: "reads", Operation: "A", Store: true, Request: 200 * ms},
		{Service: "seldom", Operation: "A", Calls: 1 * ms, Request: 200 * ms}, {Service: "writes", Operation: "A", Store: true, Writes: true, Request: 200 * ms}}
	for kind, service := range map[string]string{"store_lock": "writes", "retry_storm": "asks"} {
		r := &runner{Config: Config{Seed: 3, Faults: Faults{Services: services}}, hops: hops}
		var err error
		if r.kinds, err = named([]string{kind}); err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			p, err := r.choose(n)
			if err != nil {
				t.Fatal(err)
			}
			if added := (p.Injected[0].Factor - 1) * 4; p.Hop != service || kind == "retry_storm" && added < 100 {
				t.Errorf("round %d: %+v", n, p.Fault)
			}
		}
	}
}
