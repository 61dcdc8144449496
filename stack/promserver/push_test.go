package promserver

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

func openServer(t *testing.T, opts ...Option) *Server {
	t.Helper()
	s, err := Open(t.TempDir(), append([]Option{WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// gauges returns a request with a gauge for each name.
func gauges(at time.Time, names ...string) pmetric.Metrics {
	md := pmetric.NewMetrics()
	ms := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
	for _, name := range names {
		m := ms.AppendEmpty()
		m.SetName(name)
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(at))
		p.SetDoubleValue(1)
	}
	return md
}

// samples returns the number of samples of a series.
func samples(t *testing.T, s *Server, name string) (n int) {
	t.Helper()
	q, err := s.db.Querier(0, time.Now().Add(time.Hour).UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name))
	for set.Next() {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			n++
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return n
}

// TestWriteOTLPKeepsTheRest writes requests in which one metric cannot be stored.
func TestWriteOTLPKeepsTheRest(t *testing.T) {
	now := time.Now()
	for name, spoil := range map[string]func(pmetric.Metrics){
		"too old": func(md pmetric.Metrics) {
			md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(1).Gauge().DataPoints().At(0).
				SetTimestamp(pcommon.NewTimestampFromTime(now.Add(-10 * time.Hour)))
		},
		"too far ahead": func(md pmetric.Metrics) {
			md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(1).Gauge().DataPoints().At(0).
				SetTimestamp(pcommon.NewTimestampFromTime(now.Add(10 * time.Hour)))
		},
		"no temporality": func(md pmetric.Metrics) {
			md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(1).SetEmptySum().DataPoints().AppendEmpty().
				SetTimestamp(pcommon.NewTimestampFromTime(now))
		},
		"no UTF-8": func(md pmetric.Metrics) {
			md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(1).Gauge().DataPoints().At(0).Attributes().PutStr("a", "\xff")
		},
		"no type": func(md pmetric.Metrics) {
			md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().AppendEmpty().SetName("none")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openServer(t)
			if err := s.WriteOTLP(t.Context(), gauges(now.Add(-time.Second), "first", "second", "third")); err != nil {
				t.Fatal(err)
			}
			md := gauges(now, "first", "second", "third")
			spoil(md)
			err := s.WriteOTLP(t.Context(), md)
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Samples != 1 {
				t.Errorf("error %v, want one sample to be refused", err)
			}
			for _, name := range []string{"first", "third"} {
				if n := samples(t, s, name); n != 2 {
					t.Errorf("%s has %d samples, want 2: %v", name, n, err)
				}
			}
		})
	}
}

// TestWriteOTLPLimitsSeries pushes more series than are allowed.
func TestWriteOTLPLimitsSeries(t *testing.T) {
	s := openServer(t, WithPushedSeries(100))
	began := time.Now().Add(-time.Minute)
	if err := s.WriteOTLP(t.Context(), gauges(began, "known")); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	err := s.WriteOTLP(t.Context(), gauges(began.Add(time.Second), append(names, "known")...))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Samples < 800 || refused.Samples > 1000 {
		t.Errorf("error %v", err)
	}
	if n := s.db.Head().NumSeries(); n > 100 {
		t.Errorf("%d series", n)
	}
	if n := samples(t, s, "known"); n != 2 {
		t.Errorf("a known series has %d samples, want 2", n)
	}
}
