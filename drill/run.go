package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// controlTime is the time in which a round without a fault must not name a hop.
const controlTime = 45 * time.Second

// round runs one round.
func (r *runner) round(ctx context.Context, n int) (round Round, err error) {
	p, err := r.choose()
	if err != nil {
		return Round{}, err
	}
	round = Round{Round: n, Fault: p.Fault}
	timeout := answerTimeout
	switch {
	case r.Human != nil:
		timeout = humanTimeout
	case p.kind == Control:
		timeout = controlTime
	}
	before, err := r.metrics.level(ctx, r.Entry, 30*time.Second)
	if err != nil {
		return round, err
	}
	if before.mean == 0 {
		return round, fmt.Errorf("nobody asks for %s; start shoppers with `tenhop load`", r.Entry.Operation)
	}
	quiet, err := r.metrics.firing(ctx)
	if err != nil {
		return round, err
	}
	lift, err := r.begin(ctx, p, timeout)
	if err != nil {
		return round, fmt.Errorf("inject: %w", err)
	}
	began := time.Now()
	defer func() {
		if round.Seconds.Lifted == nil {
			if liftErr := lift(); liftErr != nil {
				err = errors.Join(err, fmt.Errorf("%w: %w", ErrNotLifted, liftErr))
			}
		}
	}()
	if p.kind != Control || r.Human != nil {
		r.Say("round %d: a fault may be in force now", n)
	}
	if err := r.search(ctx, p, &round, began, before, quiet, timeout); err != nil {
		return round, err
	}
	if err := lift(); err != nil {
		return round, fmt.Errorf("lift: %w", err)
	}
	round.Seconds.Lifted = since(began)
	if p.kind == Control {
		return round, nil
	}
	if err := r.recovery(ctx, &round, before); err != nil {
		return round, err
	}
	if err := r.foreseen(ctx, &round); err != nil {
		if ctx.Err() != nil {
			return round, err
		}
		r.Say("round %d: %v", n, err) // the round counts without the measurement
	}
	return round, nil
}

// begin injects the fault of a plan and returns a function that lifts it. The fault also
// ends by itself after timeout and a margin.
func (r *runner) begin(ctx context.Context, p plan, timeout time.Duration) (lift func() error, err error) {
	if p.kind == Control {
		return func() error { return nil }, nil
	}
	p.inject.For = chaos.Duration(min(timeout+faultMargin, longestFault))
	injected, err := r.Faults.Inject(ctx, p.target, p.inject)
	if err != nil {
		return nil, err
	}
	repeat, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for p.again > 0 && pause(repeat, p.again) == nil {
			if again, err := r.Faults.Inject(repeat, p.target, p.inject); err == nil { // the process may be starting
				injected = again
			}
		}
	}()
	return func() error {
		stop()
		<-done
		liftCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), liftTimeout)
		defer cancel()
		return r.Faults.Remove(liftCtx, injected)
	}, nil
}

// search records when customers feel the fault and when an alert fires, until there is an
// answer or the timeout.
func (r *runner) search(ctx context.Context, p plan, round *Round, began time.Time, before level,
	quiet map[string]bool, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers := make(chan error, 1)
	go func() { answers <- r.answer(ctx, p, round, began) }()
	for {
		now, err := r.metrics.level(ctx, r.Entry, meanWindow)
		if err == nil && round.Seconds.Moved == nil && now.worse(before) {
			round.Seconds.Moved = since(began)
		}
		if firing, err := r.metrics.firing(ctx); err == nil && round.Seconds.Alerted == nil {
			for a := range firing {
				if !quiet[a] {
					round.Seconds.Alerted = since(began)
				}
			}
		}
		select {
		case err := <-answers:
			if !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			switch {
			case p.kind == Control || p.nobody: // nobody was blamed
				p.score(round, answer{})
			case round.Seconds.Moved == nil:
				round.Void = "customers did not feel the fault"
			default:
				round.Error = fmt.Sprintf("no answer within %s", timeout)
			}
			return nil
		case <-time.After(pollInterval):
		}
	}
}

// answer asks until a hop is named, and scores it.
func (r *runner) answer(ctx context.Context, p plan, round *Round, began time.Time) error {
	if r.Human != nil {
		return r.human(ctx, p, round, began)
	}
	for {
		raw, a, err := r.asks.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
		round.Answer = raw
		if a.found() {
			round.Seconds.Answered = since(began)
			p.score(round, a)
			return nil
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// recovery waits until the entry is back at its level before the fault, for at most
// recoveryTimeout.
func (r *runner) recovery(ctx context.Context, round *Round, before level) error {
	lifted := time.Now()
	for time.Since(lifted) < recoveryTimeout {
		now, err := r.metrics.level(ctx, r.Entry, meanWindow)
		if err == nil && now.mean > 0 && !now.worse(before) {
			round.Seconds.Recovered = since(lifted)
			return nil
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
	return nil
}

// lifted returns an error if faults are in force that a round would be confused with.
func (r *runner) lifted(ctx context.Context) error {
	inForce, _, err := r.Faults.List(ctx)
	if err != nil || len(inForce) == 0 {
		return err
	}
	return fmt.Errorf("%s has a fault already; remove it with `tenhop chaos clear` first", inForce[0].Process)
}
