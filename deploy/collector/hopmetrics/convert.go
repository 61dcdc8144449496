package hopmetrics

import (
	"encoding/hex"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// convert returns metric families as cumulative OTLP metrics. Their names stay as they
// are and have no unit, so that the exporter of Prometheus adds no suffix.
func convert(families []*dto.MetricFamily, now time.Time) pmetric.Metrics {
	md := pmetric.NewMetrics()
	sm := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("github.com/tenhop/tenhop/deploy/collector/hopmetrics")
	at := pcommon.NewTimestampFromTime(now)
	for _, f := range families {
		m := sm.Metrics().AppendEmpty()
		m.SetName(f.GetName())
		m.SetDescription(f.GetHelp())
		switch f.GetType() {
		case dto.MetricType_HISTOGRAM:
			h := m.SetEmptyHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			for _, x := range f.GetMetric() {
				histogram(h.DataPoints().AppendEmpty(), x, at)
			}
		case dto.MetricType_COUNTER:
			s := m.SetEmptySum()
			s.SetIsMonotonic(true)
			s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			for _, x := range f.GetMetric() {
				p := s.DataPoints().AppendEmpty()
				number(p, x.GetLabel(), x.GetCounter().GetValue(), at)
				p.SetStartTimestamp(pcommon.NewTimestampFromTime(x.GetCounter().GetCreatedTimestamp().AsTime()))
			}
		default:
			g := m.SetEmptyGauge()
			for _, x := range f.GetMetric() {
				number(g.DataPoints().AppendEmpty(), x.GetLabel(), x.GetGauge().GetValue(), at)
			}
		}
	}
	return md
}

func number(p pmetric.NumberDataPoint, labels []*dto.LabelPair, v float64, at pcommon.Timestamp) {
	attributes(p.Attributes(), labels)
	p.SetDoubleValue(v)
	p.SetTimestamp(at)
}

func histogram(p pmetric.HistogramDataPoint, m *dto.Metric, at pcommon.Timestamp) {
	h := m.GetHistogram()
	attributes(p.Attributes(), m.GetLabel())
	p.SetTimestamp(at)
	p.SetStartTimestamp(pcommon.NewTimestampFromTime(h.GetCreatedTimestamp().AsTime()))
	p.SetCount(h.GetSampleCount())
	p.SetSum(h.GetSampleSum())
	var before uint64
	for _, b := range h.GetBucket() {
		if e := b.GetExemplar(); e != nil {
			exemplar(p.Exemplars().AppendEmpty(), e)
		}
		if math.IsInf(b.GetUpperBound(), 1) {
			continue
		}
		p.ExplicitBounds().Append(b.GetUpperBound())
		p.BucketCounts().Append(b.GetCumulativeCount() - before)
		before = b.GetCumulativeCount()
	}
	p.BucketCounts().Append(h.GetSampleCount() - before)
}

func exemplar(to pmetric.Exemplar, e *dto.Exemplar) {
	to.SetDoubleValue(e.GetValue())
	to.SetTimestamp(pcommon.NewTimestampFromTime(e.GetTimestamp().AsTime()))
	for _, l := range e.GetLabel() {
		if id, ok := traceID(l.GetValue()); ok && l.GetName() == "trace_id" {
			to.SetTraceID(id)
		}
	}
}

func attributes(to pcommon.Map, labels []*dto.LabelPair) {
	for _, l := range labels {
		if l.GetValue() != "" {
			to.PutStr(l.GetName(), l.GetValue())
		}
	}
}

func traceID(text string) (id pcommon.TraceID, ok bool) {
	if len(text) != 2*len(id) {
		return id, false
	}
	n, err := hex.Decode(id[:], []byte(text))
	return id, err == nil && n == len(id)
}
