package drill

import (
	"context"
	"time"
)

// Times between rounds.
const (
	quietBetween = 20 * time.Second  // minimum time from a recovery to the next fault
	quietTimeout = 150 * time.Second // of waiting for an answer that names nothing
	settlePause  = 2 * time.Second
)

// settle waits until the next round may begin. A person gets a whole baseline. The diagnosis
// has that of the rounds before, so it is enough that it names nothing and that the alerts of
// the round before are over. A diagnosis that does not become quiet in time has to live with
// it: the round begins, and counts.
func (r *runner) settle(ctx context.Context, n int) error {
	least := quietBetween
	if r.Human != nil || r.calm.Equal(r.Up) {
		least = r.Baseline
	}
	if wait := least - time.Since(r.calm); wait > 0 {
		r.Say("round %d: waiting %d s for a baseline", n, int(wait.Seconds())+1)
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
	if r.Human != nil {
		return nil
	}
	said := ""
	for end := time.Now().Add(quietTimeout); ; {
		why, err := r.unquiet(ctx)
		if err != nil {
			return err
		}
		if why == "" {
			return nil
		}
		if why != said {
			r.Say("round %d: not yet: %s", n, why)
			said = why
		}
		if time.Now().After(end) {
			r.Say("round %d: begins although %s", n, why)
			return nil
		}
		if err := pause(ctx, settlePause); err != nil {
			return err
		}
	}
}

// unquiet returns why the storefront is not quiet, or "". An error is that of the context.
func (r *runner) unquiet(ctx context.Context) (string, error) {
	firing, err := r.metrics.firing(ctx)
	if err != nil {
		return "Prometheus does not answer: " + err.Error(), ctx.Err()
	}
	for labels, name := range firing {
		if _, ok := r.firing[labels]; !ok {
			return "the alert " + name + " fires", nil
		}
	}
	_, a, err := r.asks.ask(ctx)
	switch {
	case err != nil:
		return err.Error(), ctx.Err()
	case a.Found():
		return "the diagnosis names " + a.Findings[0].Hop, nil
	case a.Verdict != "none":
		return "the diagnosis is " + a.Verdict + ": " + a.Why, nil
	}
	return "", nil
}
