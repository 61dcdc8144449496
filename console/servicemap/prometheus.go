package servicemap

import (
	"context"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// Prometheus returns the client to use, or an error if no Prometheus is configured.
type Prometheus func() (*prometheus.Client, error)

// query returns an instant vector without NaN and infinite values.
func (p Prometheus) query(ctx context.Context, expr string) ([]prometheus.Value, error) {
	c, err := p()
	if err != nil {
		return nil, err
	}
	return c.Instant(ctx, expr, time.Time{})
}

func (p Prometheus) alerts(ctx context.Context) ([]prometheus.Alert, error) {
	c, err := p()
	if err != nil {
		return nil, err
	}
	return c.Alerts(ctx)
}
