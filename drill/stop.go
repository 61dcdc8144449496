package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// Stop is the condition on which faults are lifted at once.
type Stop struct {
	Alerts []string // names of alerts, such as those of an SLO's burn rate: one of them fires
	Query  string   // in PromQL: the answer has a value other than 0
}

// Set reports whether there is a condition.
func (s Stop) Set() bool { return len(s.Alerts) > 0 || s.Query != "" }

// ErrStopped is the cause with which a guarded context ends. The text of the cause has the
// reason.
var ErrStopped = errors.New("stopped")

// stopped returns the cause if it was ErrStopped that ended a context, or nil.
func stopped(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrStopped) {
		return cause
	}
	return nil
}

const (
	stopInterval = 2 * time.Second
	stopBlind    = 15 * time.Second // without an answer of Prometheus, after which faults are lifted
)

// Met returns the reason why the condition is met, or "".
func (s Stop) Met(ctx context.Context, prom *prometheus.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if len(s.Alerts) > 0 {
		alerts, err := prom.Alerts(ctx)
		if err != nil {
			return "", err
		}
		for _, a := range alerts {
			if name := a.Labels["alertname"]; a.State == "firing" && slices.Contains(s.Alerts, name) {
				return "the alert " + name + " fires", nil
			}
		}
	}
	if s.Query == "" {
		return "", nil
	}
	found, err := prom.Instant(ctx, s.Query, time.Time{})
	if err != nil {
		return "", err
	}
	for _, v := range found {
		if v.Value != 0 {
			return fmt.Sprintf("%s is %v", strings.TrimSpace(s.Query), v.Value), nil
		}
	}
	return "", nil
}

// Guard returns a context that ends with ErrStopped when the condition is met, or when
// Prometheus has not answered for 15 s. It fails if the condition is met already, or
// cannot be asked for. The caller calls the function it returns when no fault is left.
func (s Stop) Guard(ctx context.Context, prom *prometheus.Client) (context.Context, context.CancelFunc, error) {
	why, err := s.Met(ctx, prom)
	if err != nil {
		return nil, nil, err
	}
	if why != "" {
		return nil, nil, fmt.Errorf("nothing was injected: %s already", why)
	}
	guarded, end := context.WithCancelCause(ctx)
	go func() {
		seen := time.Now()
		for pause(guarded, stopInterval) == nil {
			why, err := s.Met(guarded, prom)
			switch {
			case err == nil:
				seen = time.Now()
			case time.Since(seen) > stopBlind:
				why = "the condition to stop cannot be asked for: " + err.Error()
			}
			if why != "" {
				end(fmt.Errorf("%w: %s", ErrStopped, why))
				return
			}
		}
	}()
	return guarded, func() { end(context.Canceled) }, nil
}
