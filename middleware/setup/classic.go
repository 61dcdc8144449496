package setup

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// classic returns a gatherer without native buckets. The bridge to OTLP would make
// exponential histograms of them and drop the exemplars.
func classic(g prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := g.Gather()
		for _, f := range families {
			for _, m := range f.GetMetric() {
				h := m.GetHistogram()
				if h == nil || len(h.GetBucket()) == 0 { // native only: nothing else to send
					continue
				}
				h.Schema, h.ZeroThreshold, h.ZeroCount, h.ZeroCountFloat = nil, nil, nil, nil
				h.PositiveSpan, h.PositiveDelta, h.PositiveCount = nil, nil, nil
				h.NegativeSpan, h.NegativeDelta, h.NegativeCount = nil, nil, nil
				h.Exemplars = nil
			}
		}
		return families, err
	})
}
