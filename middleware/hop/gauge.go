package hop

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterGauge registers a family of in-flight gauges; one that is registered
// already is shared. The label values must come from a closed set.
func RegisterGauge(t *Telemetry, name, help string, labels ...string) (*prometheus.GaugeVec, error) {
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	err := t.registerer.Register(vec)
	var have prometheus.AlreadyRegisteredError
	if errors.As(err, &have) {
		if old, ok := have.ExistingCollector.(*prometheus.GaugeVec); ok {
			return old, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("hop: register %s: %w", name, err)
	}
	return vec, nil
}
