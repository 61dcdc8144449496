package watch_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tenhop/tenhop/watch"
)

// TestCollector exports the times of the incidents, and all series without one.
func TestCollector(t *testing.T) {
	began := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	named, over := began.Add(9*time.Second), began.Add(100*time.Second)
	all := []*watch.Incident{
		{State: watch.Open, Began: began, Paged: began.Add(3 * time.Second), Named: &named},
		{State: watch.Closed, Began: began, Paged: began.Add(20 * time.Second), Recovered: &over},
	}
	c := watch.NewCollector(func(context.Context) ([]*watch.Incident, error) { return all, nil })
	want := `# HELP tenhop_incidents_open Open incidents.
# TYPE tenhop_incidents_open gauge
tenhop_incidents_open 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "tenhop_incidents_open"); err != nil {
		t.Error(err)
	}
	counted := `# HELP tenhop_incidents_total Closed incidents of the history, by whether their diagnosis named a cause. Old ones are removed, which Prometheus takes for a reset.
# TYPE tenhop_incidents_total counter
tenhop_incidents_total{named="false"} 1
tenhop_incidents_total{named="true"} 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(counted), "tenhop_incidents_total"); err != nil {
		t.Error(err)
	}
	empty := watch.NewCollector(func(context.Context) ([]*watch.Incident, error) { return nil, nil })
	if a, b := testutil.CollectAndCount(c), testutil.CollectAndCount(empty); a != b || a != 7 {
		t.Errorf("%d series, %d without an incident, want 7", a, b)
	}
	broken := watch.NewCollector(func(context.Context) ([]*watch.Incident, error) { return nil, errors.New("disk") })
	if n := testutil.CollectAndCount(broken); n != 1 {
		t.Errorf("%d series while the history cannot be read", n)
	}
}
