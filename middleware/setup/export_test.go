package setup

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// answers is an exporter with one answer per push. It keeps the value of the counter.
type answers struct {
	metric.Exporter
	errs []error
	got  []float64
}

func (a *answers) Export(_ context.Context, m *metricdata.ResourceMetrics) error {
	a.got = append(a.got, m.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[float64]).DataPoints[0].Value)
	err := a.errs[0]
	a.errs = a.errs[1:]
	return err
}

// A delta that did not arrive is part of the next push. One of which the collector took a
// part is not sent again.
func TestFailedDeltaIsCarriedOn(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "c_total", Help: "A counter."})
	reg.MustRegister(c)
	producer := &pushed{registry: reg, delta: newDelta()}
	partial := fmt.Errorf("metrics export: %w", errors.New("OTLP partial success: too old (3 metric data points rejected)"))
	exp := &answers{errs: []error{nil, errors.New("unavailable"), errors.New("unavailable"), nil, partial, nil}}
	e := &countedMetrics{Exporter: exp, exportWarnings: newExportWarnings(), signal: "metrics", delta: producer.delta}
	for range 6 {
		c.Inc()
		scopes, err := producer.Produce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = e.Export(t.Context(), &metricdata.ResourceMetrics{ScopeMetrics: scopes}) // the answers are given
	}
	if got, want := fmt.Sprint(exp.got), "[1 1 2 3 1 1]"; got != want {
		t.Errorf("the pushes are %s, want %s", got, want)
	}
}

// A collector that fails does not keep the others' metrics from being pushed.
func TestPushOfAFailingCollector(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "good_total", Help: "A counter."}))
	reg.MustRegister(broken{prometheus.NewDesc("broken", "It fails.", nil, nil)})
	scopes, err := (&pushed{registry: reg}).Produce(t.Context())
	if err != nil || len(scopes) == 0 || scopes[0].Metrics[0].Name != "good_total" {
		t.Errorf("%v, %v", scopes, err)
	}
}

type broken struct{ desc *prometheus.Desc }

func (b broken) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }
func (b broken) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(b.desc, errors.New("no value"))
}

// Of a partial success only what the collector refused is lost.
func TestPartialSuccessCountsTheRefused(t *testing.T) {
	reg := prometheus.NewRegistry()
	q := newSpanQueue(&refusing{}, reg, newExportWarnings())
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(q))
	for range 5 {
		_, s := p.Tracer("t").Start(t.Context(), "x")
		s.End()
	}
	_ = p.Shutdown(t.Context()) // it says that spans were refused
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "tenhop_spans_dropped_total" && f.GetMetric()[0].GetCounter().GetValue() != 2 {
			t.Errorf("%v spans are counted as dropped, want 2", f.GetMetric()[0].GetCounter().GetValue())
		}
	}
}

type refusing struct{ tracetest.NoopExporter }

func (*refusing) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error {
	return errors.New("traces export: OTLP partial success: (odd) message (2 spans rejected)")
}
