package drill

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tenhop/tenhop/drill/scenario"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// begin injects the faults of a plan at their times and returns a function that lifts them.
// The faults also end by themselves after timeout and a margin. If begin fails, it lifts those
// that it injected; the error is ErrNotLifted, too, if that fails.
func (r *runner) begin(ctx context.Context, p plan, timeout time.Duration) (lift func() error, err error) {
	s := &schedule{faults: r.Faults, longest: min(timeout+faultMargin, longestFault)}
	var later []scenario.Fault
	for _, f := range p.Injected {
		for _, step := range f.Steps() {
			if step.At > 0 || step.Every > 0 {
				later = append(later, step)
			}
			if step.At > 0 {
				continue
			}
			if err := s.inject(ctx, step); err != nil {
				return nil, errors.Join(err, notLifted(s.lift(ctx)))
			}
		}
	}
	repeat, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, f := range later {
		running.Go(func() { s.repeat(repeat, f) })
	}
	return func() error {
		stop()
		running.Wait()
		return s.lift(ctx)
	}, nil
}

// schedule holds the faults that are in force.
type schedule struct {
	faults  Faults
	longest time.Duration

	mu       sync.Mutex
	injected []Injected
}

// inject injects a fault once.
func (s *schedule) inject(ctx context.Context, f scenario.Fault) error {
	fault := f.Fault
	fault.Sealed = true
	if fault.For == 0 || time.Duration(fault.For) > s.longest {
		fault.For = chaos.Duration(s.longest)
	}
	injected, err := s.faults.Inject(ctx, f.Service, s.faults.Limits.within(fault))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.injected = append(s.injected, injected...)
	return err
}

// repeat injects a fault at its times until ctx is done. Errors are ignored, since the
// process may be starting.
func (s *schedule) repeat(ctx context.Context, f scenario.Fault) {
	if f.At > 0 {
		if pause(ctx, time.Duration(f.At)) != nil {
			return
		}
		_ = s.inject(ctx, f)
	}
	for f.Every > 0 && pause(ctx, time.Duration(f.Every)) == nil {
		_ = s.inject(ctx, f)
	}
}

// lift removes the faults that are in force. It waits for processes that do not answer, such
// as one that is being started again after the fault exit.
func (s *schedule) lift(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), liftTimeout)
	defer cancel()
	for {
		failed := map[string]error{} // by process
		s.injected = slices.DeleteFunc(s.injected, func(in Injected) bool {
			if failed[in.Process] == nil {
				failed[in.Process] = s.faults.Remove(ctx, []Injected{in})
			}
			return failed[in.Process] == nil
		})
		err := errors.Join(slices.Collect(maps.Values(failed))...)
		var answered *statusError
		if err == nil || errors.As(err, &answered) || pause(ctx, pollInterval) != nil {
			return err
		}
	}
}
