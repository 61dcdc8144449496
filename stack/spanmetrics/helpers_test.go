package spanmetrics

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

var (
	server   = ptrace.SpanKindServer
	client   = ptrace.SpanKindClient
	internal = ptrace.SpanKindInternal
	producer = ptrace.SpanKindProducer
	consumer = ptrace.SpanKindConsumer
)

// sp describes a span of a test. Times are in milliseconds.
type sp struct {
	id, parent uint64
	service    string
	name       string
	kind       ptrace.SpanKind
	from, to   int
	attrs      string // "key=value key=value"
	failed     bool
	scope      string
}

var epoch = time.Unix(1_790_000_000, 0)

// batch returns the spans of a trace as a Batch.
func batch(traceID byte, all ...sp) Batch { return Read(spans(traceID, all...)) }

// spans returns an export request with the spans of a trace.
func spans(traceID byte, all ...sp) ptrace.Traces {
	td := ptrace.NewTraces()
	for _, x := range all {
		rs := td.ResourceSpans().AppendEmpty()
		rs.Resource().Attributes().PutStr("service.name", x.service)
		ss := rs.ScopeSpans().AppendEmpty()
		ss.Scope().SetName(x.scope)
		s := ss.Spans().AppendEmpty()
		s.SetTraceID(pcommon.TraceID{15: traceID})
		s.SetSpanID(id(x.id))
		if x.parent != 0 {
			s.SetParentSpanID(id(x.parent))
		}
		s.SetName(x.name)
		s.SetKind(x.kind)
		s.SetStartTimestamp(pcommon.NewTimestampFromTime(epoch.Add(time.Duration(x.from) * time.Millisecond)))
		s.SetEndTimestamp(pcommon.NewTimestampFromTime(epoch.Add(time.Duration(x.to) * time.Millisecond)))
		for _, kv := range strings.Fields(x.attrs) {
			k, v, _ := strings.Cut(kv, "=")
			s.Attributes().PutStr(k, v)
		}
		if x.failed {
			s.Status().SetCode(ptrace.StatusCodeError)
		}
	}
	return td
}

func id(n uint64) (out pcommon.SpanID) {
	binary.BigEndian.PutUint64(out[:], n)
	return out
}

// run adds the spans of a trace to a new Processor and returns what it exposes.
func run(t *testing.T, all ...sp) samples {
	t.Helper()
	p := New()
	p.Add(batch(1, all...), epoch.Add(time.Second))
	p.Close(epoch.Add(time.Minute))
	return gather(t, p)
}

// samples holds sums and counts by series: name{label=value,…}, labels by name, without
// source.
type samples map[string]sample

type sample struct {
	count    uint64
	sum      float64 // of a histogram, or the value
	exemplar string
}

func gather(t *testing.T, p *Processor) samples {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(p)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := samples{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			out[f.GetName()+labelsOf(m)] = sampleOf(m)
		}
	}
	return out
}

func labelsOf(m *dto.Metric) string {
	set := map[string]string{}
	for _, l := range m.GetLabel() {
		if l.GetName() != "source" && l.GetValue() != "" {
			set[l.GetName()] = l.GetValue()
		}
	}
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(set)) {
		pairs = append(pairs, k+"="+set[k])
	}
	return "{" + strings.Join(pairs, ",") + "}"
}

func sampleOf(m *dto.Metric) (s sample) {
	switch h := m.GetHistogram(); {
	case h != nil:
		s.count, s.sum = h.GetSampleCount(), h.GetSampleSum()
		for _, b := range h.GetBucket() {
			for _, l := range b.GetExemplar().GetLabel() {
				s.exemplar = l.GetValue()
			}
		}
	case m.GetCounter() != nil:
		s.sum = m.GetCounter().GetValue()
	default:
		s.sum = m.GetGauge().GetValue()
	}
	return s
}

// want checks a sum in milliseconds or, of a counter, its value.
func (s samples) want(t *testing.T, series string, sum float64) {
	t.Helper()
	got, ok := s[series]
	if strings.Contains(series, "_seconds{") {
		got.sum *= 1000
	}
	if !ok || got.sum < sum-0.01 || got.sum > sum+0.01 {
		var near []string
		for _, k := range slices.Sorted(maps.Keys(s)) {
			if strings.HasPrefix(k, series[:strings.IndexByte(series, '{')+1]) {
				near = append(near, k)
			}
		}
		t.Errorf("%s = %v (present %v), want %v; there are\n\t%s", series, got.sum, ok, sum, strings.Join(near, "\n\t"))
	}
}

// none checks that no series has a prefix.
func (s samples) none(t *testing.T, prefix string) {
	t.Helper()
	for k := range s {
		if strings.HasPrefix(k, prefix) {
			t.Errorf("unexpected series %s", k)
		}
	}
}
