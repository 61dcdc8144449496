package setup

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// The sum of all deltas is the cumulative value: count, sum and every bucket, also when
// the histogram's scale fell between two pushes.
func TestDeltasAddUpToTheCumulativeValue(t *testing.T) {
	for _, explicit := range []bool{false, true} {
		reg := prometheus.NewRegistry()
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "h", Help: "A histogram.", Buckets: []float64{0.001, 0.01, 0.1, 1},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 20,
		}, []string{"l"})
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "c_total", Help: "A counter."})
		reg.MustRegister(h, c)
		p := &pushed{registry: reg, explicit: explicit, delta: newDelta()}
		rng := rand.New(rand.NewPCG(1, 2))
		var count, inDelta uint64
		var sum, counter, deltas, deltaSum float64
		scales := map[int32]bool{}
		for push := range 20 {
			for range rng.IntN(50) {
				v := math.Exp(rng.NormFloat64() * float64(push) / 4)
				h.WithLabelValues("a").Observe(v)
				c.Add(v)
				count, sum, counter = count+1, sum+v, counter+v
			}
			scopes, err := p.Produce(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if push%3 == 0 {
				continue // it failed: the next one has its deltas
			}
			p.delta.arrived()
			for _, m := range scopes[0].Metrics {
				switch d := m.Data.(type) {
				case metricdata.Sum[float64]:
					deltas += d.DataPoints[0].Value
				case metricdata.Histogram[float64]:
					for _, dp := range d.DataPoints {
						deltaSum += dp.Sum
						inDelta += total(dp.BucketCounts, 0)
						if total(dp.BucketCounts, 0) != dp.Count {
							t.Errorf("push %d: %d in the buckets, count %d", push, total(dp.BucketCounts, 0), dp.Count)
						}
					}
				case metricdata.ExponentialHistogram[float64]:
					for _, dp := range d.DataPoints {
						scales[dp.Scale] = true
						deltaSum += dp.Sum
						n := total(dp.PositiveBucket.Counts, dp.ZeroCount)
						inDelta += n
						if n != dp.Count {
							t.Errorf("push %d: %d in the buckets, count %d, scale %d", push, n, dp.Count, dp.Scale)
						}
					}
				}
			}
		}
		if inDelta != count || math.Abs(deltaSum-sum) > 1e-6*sum || math.Abs(deltas-counter) > 1e-6*counter {
			t.Errorf("explicit %v: %d observations of %d, sum %v of %v, counter %v of %v", explicit, inDelta, count, deltaSum, sum, deltas, counter)
		}
		if !explicit && len(scales) < 2 {
			t.Error("the scale did not change: the test shows nothing about it")
		}
	}
}

func total(counts []uint64, n uint64) uint64 {
	for _, c := range counts {
		n += c
	}
	return n
}

// A counter that fell was reset: its value is the difference.
func TestDeltaOfAResetCounter(t *testing.T) {
	d := newDelta()
	started := time.Now()
	var got []float64
	for i, v := range []float64{5, 8, 2} {
		d.begin()
		out := d.convert("c", metricdata.Sum[float64]{IsMonotonic: true, DataPoints: []metricdata.DataPoint[float64]{
			{Attributes: attribute.NewSet(), StartTime: started, Time: started.Add(time.Duration(i) * time.Second), Value: v},
		}})
		d.arrived()
		got = append(got, out.(metricdata.Sum[float64]).DataPoints[0].Value)
	}
	if want := []float64{5, 3, 2}; !slices.Equal(got, want) {
		t.Errorf("deltas %v, want %v", got, want)
	}
}

// A registry with more series than the limit: those that were pushed stay, and the rest is
// counted and left out. A series that is gone makes room.
func TestDeltaLimit(t *testing.T) {
	d := newDelta()
	d.limit = 3
	over := 0
	d.over = func(n int) { over += n }
	started := time.Now()
	push := func(series ...string) (sent []string) {
		d.begin()
		var points []metricdata.DataPoint[float64]
		for _, s := range series {
			points = append(points, metricdata.DataPoint[float64]{Attributes: attribute.NewSet(attribute.String("s", s)), StartTime: started, Time: time.Now(), Value: 1})
		}
		out := d.convert("c", metricdata.Sum[float64]{IsMonotonic: true, DataPoints: points}).(metricdata.Sum[float64])
		for _, p := range out.DataPoints {
			v, _ := p.Attributes.Value("s")
			sent = append(sent, v.AsString())
		}
		d.arrived()
		return sent
	}
	for _, c := range []struct{ series, want []string }{
		{[]string{"a", "b"}, []string{"a", "b"}},
		{[]string{"x", "a", "b", "y"}, []string{"x", "a", "b"}},
		{[]string{"x", "b"}, []string{"x", "b"}},
		{[]string{"y", "x", "b", "z"}, []string{"y", "x", "b"}},
	} {
		if got := push(c.series...); !slices.Equal(got, c.want) || len(d.before) > d.limit {
			t.Errorf("of %v %v are sent, want %v; %d are kept", c.series, got, c.want, len(d.before))
		}
	}
	if over != 2 {
		t.Errorf("%d series are counted as left out, want 2", over)
	}
}

// Exemplars survive the push, in both shapes, with binary IDs.
func TestPushedExemplars(t *testing.T) {
	for _, explicit := range []bool{false, true} {
		reg := prometheus.NewRegistry()
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Help: "A histogram.", Buckets: []float64{1}, NativeHistogramBucketFactor: 1.1})
		reg.MustRegister(h)
		h.(prometheus.ExemplarObserver).ObserveWithExemplar(0.5, prometheus.Labels{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "k": "v"})
		scopes, err := (&pushed{registry: reg, explicit: explicit}).Produce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var exemplars []metricdata.Exemplar[float64]
		switch d := scopes[0].Metrics[0].Data.(type) {
		case metricdata.Histogram[float64]:
			exemplars = d.DataPoints[0].Exemplars
		case metricdata.ExponentialHistogram[float64]:
			exemplars = d.DataPoints[0].Exemplars
		}
		if len(exemplars) != 1 || len(exemplars[0].TraceID) != 16 || exemplars[0].Value != 0.5 || len(exemplars[0].FilteredAttributes) != 1 {
			t.Errorf("explicit %v: exemplars %+v", explicit, exemplars)
		}
	}
}
