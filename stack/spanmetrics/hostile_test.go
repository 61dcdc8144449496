package spanmetrics

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/trace"
)

// TestHostileAttributes passes attributes that are no valid label values: no UTF-8, and
// very long.
func TestHostileAttributes(t *testing.T) {
	bad := "\xff" + strings.Repeat("x", 10_000)
	keys := []string{
		"hop.entry", "hop.queue_wait_ms", "error.type", "http.request.method", "http.route", "http.response.status_code", "url.scheme",
		"rpc.system.name", "rpc.service", "rpc.method", "rpc.response.status_code", "messaging.system", "messaging.operation.name",
		"messaging.destination.name", "db.system.name", "server.address", "server.port", "url.full", "peer.service",
	}
	families := [][]string{{"http."}, {"rpc."}, {"messaging."}, {"db."}, {}}
	for _, kind := range []ptrace.SpanKind{ptrace.SpanKindServer, ptrace.SpanKindClient, ptrace.SpanKindProducer, ptrace.SpanKindConsumer, ptrace.SpanKindInternal} {
		for n, with := range families {
			p := New()
			td := ptrace.NewTraces()
			rs := td.ResourceSpans().AppendEmpty()
			rs.Resource().Attributes().PutStr("service.name", bad)
			s := rs.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
			s.SetTraceID(pcommon.TraceID{1})
			s.SetSpanID(pcommon.SpanID{1})
			s.SetKind(kind)
			s.SetName(bad)
			s.Status().SetCode(ptrace.StatusCodeError)
			for _, key := range keys {
				family, _, _ := strings.Cut(key, ".")
				switch family {
				case "http", "rpc", "messaging", "db":
					if len(with) == 0 || with[0] != family+"." {
						continue
					}
				}
				s.Attributes().PutStr(key, bad)
			}
			b := Read(td)
			for i := range b.spans {
				if held := len(fmt.Sprintf("%+v", b.spans[i])); held > 20*maxLabel {
					t.Errorf("kind %v, family %v: %d bytes held of a span", kind, with, held)
				}
			}
			p.Add(b, time.Now())
			p.Close(time.Now())
			reg := prometheus.NewPedanticRegistry()
			reg.MustRegister(p)
			got, err := reg.Gather()
			if err != nil {
				t.Errorf("kind %v, family %d: %v", kind, n, err)
			}
			for _, f := range got {
				for _, m := range f.GetMetric() {
					for _, l := range m.GetLabel() {
						if len(l.GetValue()) > maxLabel+30 {
							t.Errorf("%s: label %s of %d bytes", f.GetName(), l.GetName(), len(l.GetValue()))
						}
					}
				}
			}
		}
	}
}

// TestHostileTraces passes traces with as many spans as are held, in the shapes that a
// comparison of each span with each other one would take a long time for.
func TestHostileTraces(t *testing.T) {
	const spans = 50_000
	shapes := map[string]func(i int, s *arrived){
		"without parents": func(i int, s *arrived) {
			s.span.Service, s.span.Kind, s.span.Parent = fmt.Sprint("a", i%3), trace.Server, "absent"
			if i%2 == 0 {
				s.span.Kind, s.span.Duration = trace.Client, time.Millisecond
			}
		},
		"a chain of services": func(i int, s *arrived) {
			s.span.Service, s.span.Kind = fmt.Sprint("a", i%2), trace.Server
			if i > 0 {
				s.span.Parent = fmt.Sprint("s", i-1)
			}
		},
		"a hop with many dependencies": func(i int, s *arrived) {
			s.span.Service, s.span.Kind = "a", trace.Server
			if i > 0 {
				s.span.Parent, s.span.Kind, s.facts.peer = "s0", trace.Client, fmt.Sprint("peer", i)
			}
		},
	}
	for name, fill := range shapes {
		p := New()
		now := time.Now()
		var b Batch
		for i := range spans {
			a := arrived{traceID: "t", status: "STATUS_CODE_UNSET"}
			a.span.ID, a.span.Start, a.span.Duration = fmt.Sprint("s", i), now.Add(-time.Second), time.Second
			fill(i, &a)
			b.spans = append(b.spans, a)
		}
		p.Add(b, now)
		began := time.Now()
		p.Close(now)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %d spans took %s", name, spans, took)
		} else {
			t.Logf("%s: %s", name, took)
		}
	}
}

// TestEnclosing compares the answers with those of a plain search.
func TestEnclosing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	base := time.Now()
	for range 300 {
		spans := make([]trace.Span, 1+r.IntN(12))
		for i := range spans {
			spans[i] = trace.Span{Service: fmt.Sprint("s", r.IntN(3)), Kind: []trace.Kind{trace.Client, trace.Server}[r.IntN(2)],
				Start: base.Add(time.Duration(r.IntN(8))), Duration: time.Duration(r.IntN(8))}
		}
		e := newEnclosing(spans)
		for i := range spans {
			s, want := &spans[i], false
			for j := range spans {
				o := &spans[j]
				want = want || o.Kind.Calls() && o.Service != s.Service && !o.Start.After(s.Start) && !o.End().Before(s.End())
			}
			if got := e.has(s); got != want {
				t.Fatalf("span %d of %+v: %v, want %v", i, spans, got, want)
			}
		}
	}
}
