package hopmetrics

import (
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/tenhop/tenhop/stack/spanmetrics"
)

func request(scope string) ptrace.Traces {
	td := ptrace.NewTraces()
	rs := td.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", "web")
	ss := rs.ScopeSpans().AppendEmpty()
	ss.Scope().SetName(scope)
	s := ss.Spans().AppendEmpty()
	s.SetTraceID(pcommon.TraceID{1})
	s.SetSpanID(pcommon.SpanID{1})
	s.SetKind(ptrace.SpanKindServer)
	s.SetName("GET /x")
	s.Attributes().PutStr("http.request.method", "GET")
	s.Attributes().PutStr("http.route", "/x")
	now := time.Now()
	s.SetStartTimestamp(pcommon.NewTimestampFromTime(now.Add(-80 * time.Millisecond)))
	s.SetEndTimestamp(pcommon.NewTimestampFromTime(now))
	return td
}

func TestValidate(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"middleware":             func(c *Config) { c.Middleware = "some" },
		"metrics_flush_interval": func(c *Config) { c.FlushInterval = 0 },
		"metrics_expiration":     func(c *Config) { c.Expiration = c.FlushInterval },
		"max_spans":              func(c *Config) { c.MaxSpans = -1 },
	} {
		c := NewFactory().CreateDefaultConfig().(*Config)
		spoil(c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestConnector passes a span through, for each setting of the middleware.
func TestConnector(t *testing.T) {
	for _, c := range []struct {
		scope, middleware string
		want              uint64
	}{
		{"opentelemetry.instrumentation.flask", skip, 1},
		{spanmetrics.MiddlewareScope, skip, 0},
		{spanmetrics.MiddlewareScope, count, 1},
	} {
		cfg := NewFactory().CreateDefaultConfig().(*Config)
		cfg.Middleware = c.middleware
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		sink := new(consumertest.MetricsSink)
		h, err := newConnector(zap.NewNop(), cfg, sink)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Start(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if err := h.ConsumeTraces(t.Context(), request(c.scope)); err != nil {
			t.Fatal(err)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := selfTimes(t, sink.AllMetrics()); got != c.want {
			t.Errorf("%s, middleware %s: %d self times, want %d", c.scope, c.middleware, got, c.want)
		}
	}
}

func selfTimes(t *testing.T, all []pmetric.Metrics) (n uint64) {
	t.Helper()
	for _, m := range all[len(all)-1].ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if m.Name() != "hop_self_duration_seconds" {
			continue
		}
		for _, p := range m.Histogram().DataPoints().All() {
			source, _ := p.Attributes().Get("source")
			var sum uint64
			for _, c := range p.BucketCounts().AsRaw() {
				sum += c
			}
			if source.Str() != "spans" || p.Sum() < 0.079 || p.Sum() > 0.081 || sum != p.Count() || p.Exemplars().Len() != 1 || p.Exemplars().At(0).TraceID() != (pcommon.TraceID{1}) {
				t.Errorf("point %v with sum %v, buckets %v, %d exemplars", p.Attributes().AsRaw(), p.Sum(), p.BucketCounts().AsRaw(), p.Exemplars().Len())
			}
			n += p.Count()
		}
	}
	return n
}
