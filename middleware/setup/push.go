package setup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	prombridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// pushed is the metric producer of the Prometheus registry. It completes the bridge of
// OpenTelemetry contrib: native histograms keep their exemplars, histograms are of the
// shape that was asked for, and counters and histograms are deltas on request.
type pushed struct {
	registry prometheus.Gatherer
	explicit bool   // classic buckets instead of exponential ones
	delta    *delta // nil is cumulative temporality
}

// Produce implements metric.Producer.
func (p *pushed) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	families, err := p.registry.Gather()
	if err != nil && len(families) == 0 {
		return nil, err
	}
	families = slices.DeleteFunc(families, isTargetInfo)
	exemplars := map[string][]*dto.Metric{}
	for _, f := range families {
		if f.GetType() != dto.MetricType_HISTOGRAM {
			continue
		}
		if p.explicit {
			classic(f)
		}
		exemplars[f.GetName()] = f.GetMetric()
	}
	gathered := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
	if p.delta != nil {
		p.delta.begin()
	}
	scopes, berr := prombridge.NewMetricProducer(prombridge.WithGatherer(gathered)).Produce(ctx)
	for _, s := range scopes {
		for i, m := range s.Metrics {
			complete(m, exemplars[m.Name])
			if p.delta != nil {
				s.Metrics[i].Data = p.delta.convert(m.Name, m.Data)
			}
		}
	}
	if err = errors.Join(err, berr); err != nil && len(scopes) > 0 {
		otel.Handle(fmt.Errorf("setup: pushed metrics are incomplete: %w", err)) // the reader would push nothing
		return scopes, nil
	}
	return scopes, err
}

// classic removes the native buckets of histograms that have classic ones.
func classic(f *dto.MetricFamily) {
	for _, m := range f.GetMetric() {
		if h := m.GetHistogram(); len(h.GetBucket()) > 0 {
			h.ZeroThreshold, h.ZeroCount, h.Schema = nil, nil, nil
			h.PositiveSpan, h.PositiveDelta, h.NegativeSpan, h.NegativeDelta = nil, nil, nil, nil
		}
	}
}

// complete adds the exemplars that the bridge leaves out, and turns the trace IDs of the
// others from text into bytes.
func complete(m metricdata.Metrics, source []*dto.Metric) {
	switch d := m.Data.(type) {
	case metricdata.Sum[float64]:
		for i := range d.DataPoints {
			binary(d.DataPoints[i].Exemplars)
		}
	case metricdata.Histogram[float64]:
		for i := range d.DataPoints {
			binary(d.DataPoints[i].Exemplars)
		}
	case metricdata.ExponentialHistogram[float64]:
		for i := range d.DataPoints {
			if i < len(source) {
				d.DataPoints[i].Exemplars = exemplarsOf(source[i].GetHistogram())
			}
		}
	}
}

func binary(exemplars []metricdata.Exemplar[float64]) {
	for i := range exemplars {
		e := &exemplars[i]
		e.TraceID, e.SpanID = unhex(e.TraceID), unhex(e.SpanID)
	}
}

// unhex decodes the text of an ID. It returns nil for anything else.
func unhex(text []byte) []byte {
	id := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(id, text); err != nil || len(id) == 0 {
		return nil
	}
	return id
}

// exemplarsOf returns the exemplars of a histogram: of its classic buckets, else its own.
func exemplarsOf(h *dto.Histogram) []metricdata.Exemplar[float64] {
	var out []metricdata.Exemplar[float64]
	for _, b := range h.GetBucket() {
		if e := b.GetExemplar(); e != nil {
			out = append(out, exemplar(e))
		}
	}
	if len(out) == 0 {
		for _, e := range h.GetExemplars() {
			out = append(out, exemplar(e))
		}
	}
	return out
}

func exemplar(e *dto.Exemplar) metricdata.Exemplar[float64] {
	out := metricdata.Exemplar[float64]{Value: e.GetValue(), Time: time.Now()}
	if t := e.GetTimestamp(); t.IsValid() {
		out.Time = t.AsTime()
	}
	for _, l := range e.GetLabel() {
		switch l.GetName() {
		case "trace_id":
			out.TraceID = unhex([]byte(l.GetValue()))
		case "span_id":
			out.SpanID = unhex([]byte(l.GetValue()))
		default:
			out.FilteredAttributes = append(out.FilteredAttributes, attribute.String(l.GetName(), l.GetValue()))
		}
	}
	return out
}
