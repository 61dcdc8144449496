package drill

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/trace"
)

// Hop is an operation of a service that requests of an entry wait for. What is said of the
// service holds for at least half of the requests, and for the time that they wait.
type Hop struct {
	Service, Operation string

	Store  bool // the service calls a database
	Writes bool // its statements write

	Callee  string        // the other service that most requests wait for longest there, or ""
	Calls   time.Duration // mean time of the service's calls of other services, per request
	Request time.Duration // mean time of a request of the entry
}

// service counts the requests in which a service does something.
type service struct {
	statements, writes int
	calls              time.Duration // of all requests
	callees            map[string]*callee
}

// callee counts the requests in which a service is called, and the time of its calls.
type callee struct {
	requests int
	took     time.Duration
}

// longest returns the callee of most requests with the longest time, or "".
func (s *service) longest(most func(int) bool) (name string) {
	var took time.Duration
	for n, c := range s.callees {
		if most(c.requests) && (name == "" || c.took > took || c.took == took && n < name) {
			name, took = n, c.took
		}
	}
	return name
}

// Hops returns the hops that at least half of the entry's 20 latest traces of the last ten
// minutes waited for, sorted by service and operation. It is an error if there are none.
func Hops(ctx context.Context, from query.Tracer, entry Entry) ([]Hop, error) {
	traces, err := recent(ctx, from, entry, 10*time.Minute, 20)
	if err != nil {
		return nil, err
	}
	seen, services := map[Hop]int{}, map[string]*service{}
	var took time.Duration
	for _, t := range traces {
		own := entry.span(t)
		if own == nil {
			continue
		}
		took += own.Duration
		count(t, own.End(), seen, services)
	}
	var out []Hop
	most := func(n int) bool { return 2*n >= len(traces) } // most requests must show the fault
	for h, n := range seen {
		if most(n) {
			s := services[h.Service]
			h.Store, h.Writes = s.statements > 0 && most(s.statements), s.writes > 0 && most(s.writes)
			h.Callee = s.longest(most)
			h.Calls, h.Request = s.calls/time.Duration(len(traces)), took/time.Duration(len(traces))
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no trace of %s %s is stored; is there traffic? see `tenhop status`", entry.Service, entry.Operation)
	}
	slices.SortFunc(out, func(a, b Hop) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Operation, b.Operation))
	})
	return out, nil
}

// count adds what the services of a trace do until the end of the entry's request.
func count(t trace.Trace, end time.Time, seen map[Hop]int, services map[string]*service) {
	served := map[string]string{} // services of callees, by the spans of the calls
	for _, s := range t.Spans {
		if s.Kind == trace.Server && s.Parent != "" {
			served[s.Parent] = s.Service
		}
	}
	called := map[[2]string]bool{}
	stated, wrote := map[string]bool{}, map[string]bool{}
	for _, s := range t.Spans {
		if s.Start.After(end) {
			continue
		}
		of := services[s.Service]
		if of == nil {
			of = &service{callees: map[string]*callee{}}
			services[s.Service] = of
		}
		switch {
		case s.Kind == trace.Server:
			seen[Hop{Service: s.Service, Operation: s.Operation}]++
		case isStatement(s):
			if !stated[s.Service] {
				stated[s.Service] = true
				of.statements++
			}
			if !wrote[s.Service] && isWrite(s) {
				wrote[s.Service] = true
				of.writes++
			}
		case s.Kind == trace.Client && served[s.ID] != "":
			of.calls += s.Duration
			name := served[s.ID]
			if name == s.Service {
				continue
			}
			to := of.callees[name]
			if to == nil {
				to = &callee{}
				of.callees[name] = to
			}
			to.took += s.Duration
			if k := [2]string{s.Service, name}; !called[k] {
				called[k] = true
				to.requests++
			}
		}
	}
}

// awaitHops returns Hops. It waits for the first traces of what was started a short time ago.
func (r *runner) awaitHops(ctx context.Context, from query.Tracer) ([]Hop, error) {
	for said := false; ; said = true {
		hops, err := Hops(ctx, from, r.Entry)
		if err == nil || r.Up.IsZero() || time.Since(r.Up) > tracesTimeout {
			return hops, err
		}
		if !said {
			r.Say("waiting for the first requests of %s %s", r.Entry.Service, r.Entry.Operation)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Second):
		}
	}
}

// isStatement reports whether a span is a statement of a SQL database.
func isStatement(s trace.Span) bool {
	if s.Kind != trace.Client {
		return false
	}
	system := cmp.Or(s.Attribute("db.system.name"), s.Attribute("db.system"))
	return system != "" && system != "redis"
}

// isWrite reports whether a statement changes rows, and so needs a lock that excludes others.
func isWrite(s trace.Span) bool {
	text := cmp.Or(s.Attribute("db.operation.name"), s.Attribute("db.operation"), s.Attribute("db.query.text"), s.Attribute("db.statement"), s.Operation)
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"}, strings.ToUpper(word))
}

// recent returns at most limit traces of the entry that began within the last since.
func recent(ctx context.Context, from query.Tracer, entry Entry, since time.Duration, limit int) ([]trace.Trace, error) {
	now := time.Now()
	return from.Traces(ctx, query.Search{Service: entry.Service, Operation: entry.Operation, From: now.Add(-since), To: now, Limit: limit})
}

// span returns the entry's span in a trace, the earliest if there are several, or nil.
func (e Entry) span(t trace.Trace) *trace.Span {
	var first *trace.Span
	for i := range t.Spans {
		s := &t.Spans[i]
		if s.Service == e.Service && s.Operation == e.Operation && s.Kind == trace.Server && (first == nil || s.Start.Before(first.Start)) {
			first = s
		}
	}
	return first
}
