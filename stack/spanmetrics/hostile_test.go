package spanmetrics

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
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
