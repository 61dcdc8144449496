package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tenhop/tenhop/drill/seal"
	"github.com/tenhop/tenhop/query"
)

// controlTime is the time in which a round must not name a hop if there is none to blame.
const controlTime = 45 * time.Second

// round runs one round.
func (r *runner) round(ctx context.Context, n int) (round Round, err error) {
	p, err := r.choose(n)
	if err != nil {
		return Round{}, err
	}
	round = Round{Round: n, By: ByDiagnosis, Seed: r.Seed, Fault: p.Fault}
	if r.Human != nil {
		round.By = ByPerson
	}
	timeout := r.timeout(p)
	before, err := r.before(ctx)
	if err != nil {
		return round, err
	}
	quiet, err := r.metrics.firing(ctx)
	if err != nil {
		return round, err
	}
	if round.Seal, err = r.seal(n, p); err != nil {
		return round, err
	}
	lift, err := r.begin(ctx, p, timeout)
	if err != nil {
		if why := stopped(ctx); why != nil { // the seal was published: it is opened
			round.Void = why.Error()
		}
		return round, fmt.Errorf("inject: %w", err)
	}
	began := time.Now()
	round.At = began.UTC()
	defer func() {
		if round.Seconds.Lifted == nil && !errors.Is(err, ErrNotLifted) {
			liftErr := lift()
			why := stopped(ctx)
			switch {
			case liftErr != nil:
				err = errors.Join(err, notLifted(liftErr))
			case why != nil:
				round.Seconds.Lifted = since(began)
			}
			if why != nil && round.Seconds.Answered == nil && round.Error == "" && round.Void == "" {
				round.Void = why.Error()
			}
		}
		r.calm = time.Now()
		if round.Seconds.Lifted != nil && round.Seconds.Recovered != nil {
			r.calm = began.Add(time.Duration((*round.Seconds.Lifted + *round.Seconds.Recovered) * float64(time.Second)))
		}
	}()
	r.Say("round %d: a fault may be in force now", n)
	if err := r.search(ctx, p, &round, began, before, quiet, timeout); err != nil {
		return round, err
	}
	if !p.control() {
		round.Rankers = r.rankers(ctx, p, began, uint64(n))
	}
	if err := lift(); err != nil {
		return round, notLifted(err)
	}
	round.Seconds.Lifted = since(began)
	if len(p.Injected) == 0 {
		return round, ctx.Err()
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

// timeout returns the time in which an answer to a plan is waited for. It begins with the
// last fault: what nobody may blame must have happened, too.
func (r *runner) timeout(p plan) time.Duration {
	switch {
	case r.Human != nil:
		return humanTimeout
	case p.control():
		return controlTime + p.last
	}
	return answerTimeout + p.last
}

// before returns the level before a fault. It waits for a while until the last seconds are
// not worse than the time before them.
func (r *runner) before(ctx context.Context) (level, error) {
	for end := time.Now().Add(steadyTimeout); ; {
		before, err := r.metrics.level(ctx, r.Entry, 30*time.Second)
		if err != nil {
			return level{}, err
		}
		if before.mean == 0 {
			return level{}, fmt.Errorf("nobody asks for %s; start shoppers with `tenhop load`", r.Entry.Operation)
		}
		now, err := r.metrics.level(ctx, r.Entry, meanWindow)
		if err == nil && !now.worse(before) || time.Now().After(end) {
			return before, nil
		}
		if err := pause(ctx, pollInterval); err != nil {
			return level{}, err
		}
	}
}

// seal seals the fault of a round and publishes the hash.
func (r *runner) seal(n int, p plan) (*seal.Seal, error) {
	s, err := seal.Of(p.Fault)
	if err != nil {
		return nil, err
	}
	if r.Sealed != nil {
		if err := r.Sealed(n, seal.Seal{SHA256: s.SHA256}); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

// search records when customers feel the fault and when an alert fires, until there is an
// answer and customers have felt the fault, or it is too late for either. A fault that they have
// not felt makes the round void. An error means that the search was interrupted before its end.
func (r *runner) search(ctx context.Context, p plan, round *Round, began time.Time, before level,
	quiet map[string]string, timeout time.Duration) error {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answers := make(chan error, 1)
	go func() { answers <- r.answer(ctx, p, round, began) }()
	say := func(what string) { r.Say("round %d: %s after %.1f s", round.Round, what, time.Since(began).Seconds()) }
	var answered time.Time
	var worse *float64 // seconds since the injection from which it was so at every poll
	var read time.Time // when a level was read last
	var unread error   // of the attempts since
	for {
		now, err := r.metrics.level(whole, r.Entry, meanWindow)
		if unread = err; err == nil {
			read = time.Now()
		}
		if err == nil && round.Seconds.Moved == nil {
			switch {
			case !now.worse(before):
				worse = nil
			case worse == nil:
				worse = since(began)
			case *since(began)-*worse > feltLength.Seconds():
				round.Seconds.Moved = worse
				r.Say("round %d: customers feel it after %.1f s", round.Round, *worse)
			}
		}
		if firing, err := r.metrics.firing(whole); err == nil && round.Seconds.Alerted == nil {
			for labels, name := range firing {
				if _, before := quiet[labels]; round.Seconds.Alerted == nil && !before {
					round.Seconds.Alerted = since(began)
					say("the alert " + name + " fires")
				}
			}
		}
		felt := round.Seconds.Moved != nil || p.control()
		switch {
		case answers == nil && (felt || time.Since(answered) > feltAfterAnswer), // felt too late, or not at all
			answers != nil && !felt && worse == nil && r.Human == nil && time.Since(began) > feltTimeout+p.last:
			switch {
			case !felt && unread != nil && time.Since(read) > feltLength:
				round.Void = "it is not known whether customers felt the fault: " + query.Printable(unread.Error())
			case !felt:
				round.Void = "customers did not feel the fault"
			case round.Seconds.Answered == nil && round.Error == "" && !p.control():
				round.Error = fmt.Sprintf("no answer within %s", timeout)
			}
			cancel()
			if answers != nil {
				<-answers
			}
			return nil
		case answers == nil && whole.Err() != nil:
			round.Void = "it is not known whether customers felt the fault: " + query.Printable(context.Cause(whole).Error())
			return whole.Err()
		}
		select {
		case err := <-answers:
			answered, answers = time.Now(), nil
			if err == nil {
				say("answered")
				continue
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			if p.control() && round.Error == "" { // nobody was blamed
				p.score(round, Answer{})
			}
		case <-time.After(pollInterval):
		}
	}
}

// answer asks until there is an answer, and scores it. An answer holds if it is the same two
// scrapes later, when there is more to go by; where nobody may be blamed, the first one does.
// A diagnosis that fails is no answer: it is asked again, as a person would.
func (r *runner) answer(ctx context.Context, p plan, round *Round, began time.Time) error {
	if r.Human != nil {
		return r.human(ctx, p, round, began)
	}
	var failed error
	var first Answer
	var named time.Time // when first was given
	for {
		raw, a, err := r.asks.ask(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			failed = err
			r.Say("round %d: %v", round.Round, err)
		default:
			round.Answer, failed = raw, nil
		}
		if err == nil && ctx.Err() == nil && a.Found() && (time.Since(began) >= p.last || len(p.Expect) < 2) {
			same := first.agrees(a, len(p.Expect))
			if p.control() || same && time.Since(named) >= confirmed(a) {
				round.Seconds.Answered = since(began)
				p.score(round, a)
				return nil
			}
			if !same {
				first, named = a, time.Now()
			}
		}
		if pause(ctx, pollInterval) != nil {
			if failed != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				round.Error = "no answer: " + failed.Error()
			}
			return ctx.Err()
		}
	}
}

// confirmed returns the time after which an answer must be the same.
func confirmed(a Answer) time.Duration {
	return time.Duration(2 * a.ResolutionS * float64(time.Second))
}

// stable is the time for which customers must be as well off as before to have recovered.
const stable = 2 * time.Second

// recovery waits until the entry is back at its level before the fault, for at most
// recoveryTimeout.
func (r *runner) recovery(ctx context.Context, round *Round, before level) error {
	lifted := time.Now()
	var well time.Time
	for time.Since(lifted) < recoveryTimeout {
		now, err := r.metrics.level(ctx, r.Entry, meanWindow)
		switch {
		case err != nil || now.mean == 0 || now.worse(before):
			well = time.Time{}
		case well.IsZero():
			well = time.Now()
		case time.Since(well) >= stable:
			round.Seconds.Recovered = since(lifted)
			r.Say("round %d: recovered %.1f s after the fault was lifted", round.Round, *round.Seconds.Recovered)
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
