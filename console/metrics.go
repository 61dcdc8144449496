package console

import (
	"context"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// sample is one series at one moment.
type sample struct {
	labels map[string]string
	value  float64
}

// prometheus returns a client of the source.
func (u *upstream) prometheus() (*prometheus.Client, error) {
	if u.base == nil {
		return nil, u.missing()
	}
	return prometheus.New(u.base.String(), u.client)
}

// query asks Prometheus for an instant vector. Values that are no number are
// left out.
func (u *upstream) query(ctx context.Context, expr string) ([]sample, error) {
	c, err := u.prometheus()
	if err != nil {
		return nil, err
	}
	found, err := c.Instant(ctx, expr, time.Time{})
	if err != nil {
		return nil, err
	}
	out := make([]sample, len(found))
	for i, f := range found {
		out[i] = sample{f.Labels, f.Value}
	}
	return out, nil
}

func (u *upstream) alerts(ctx context.Context) ([]prometheus.Alert, error) {
	c, err := u.prometheus()
	if err != nil {
		return nil, err
	}
	return c.Alerts(ctx)
}
