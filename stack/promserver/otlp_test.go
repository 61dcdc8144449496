package promserver_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/tenhop/tenhop/stack/promserver"
)

// gauges returns a request with n series of a gauge, told apart by a label.
func gauges(from, n int) pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("made.up")
	points := m.SetEmptyGauge().DataPoints()
	for i := range n {
		p := points.AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		p.Attributes().PutStr("id", fmt.Sprint(from+i))
		p.SetIntValue(1)
	}
	return md
}

// A label with a value per request does not fill the memory: beyond the limit, metrics are
// refused for good, with the reason.
func TestSeriesOverOTLPAreBounded(t *testing.T) {
	s, _ := open(t, t.TempDir(), promserver.WithMaxSeries(1000))
	t.Cleanup(func() { _ = s.Close() })
	if err := s.WriteOTLP(t.Context(), gauges(0, 100)); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteOTLP(t.Context(), gauges(0, 1001)); !errors.Is(err, promserver.ErrRefused) {
		t.Errorf("a request beyond the limit: %v", err)
	}
	var err error
	for i := 1; i < 20 && err == nil; i++ {
		err = s.WriteOTLP(t.Context(), gauges(100*i, 100))
	}
	if !errors.Is(err, promserver.ErrRefused) || !strings.Contains(err.Error(), "takes no more") {
		t.Errorf("after 2,000 series: %v", err)
	}
}
