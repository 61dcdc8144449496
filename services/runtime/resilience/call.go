package resilience

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

type withoutKey struct{}

// Without returns a context whose calls have a deadline and nothing else: no retries, breaker
// or bulkhead.
func Without(ctx context.Context) context.Context { return context.WithValue(ctx, withoutKey{}, true) }

func without(ctx context.Context) bool { return ctx.Value(withoutKey{}) != nil }

// The reserve that a hop keeps of its time to answer: a tenth of it, within limits.
const (
	minReserve = 5 * time.Millisecond
	maxReserve = 250 * time.Millisecond
)

// deadline returns the context of a call, which ends before that of ctx. It fails if there
// is no time left.
func (c *Client) deadline(ctx context.Context) (context.Context, context.CancelFunc, error) {
	left := c.policy.Timeout
	if d, ok := ctx.Deadline(); ok {
		remaining := time.Until(d)
		left = min(left, remaining-min(max(remaining/10, minReserve), maxReserve))
	}
	if left <= 0 {
		c.series.deadline.Inc()
		trace.SpanFromContext(ctx).AddEvent("call refused", trace.WithAttributes(peer(c.dependency), attribute.String("reason", reasonDeadline)))
		return nil, nil, context.DeadlineExceeded
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	return ctx, cancel, nil
}

func peer(dependency string) attribute.KeyValue { return attribute.String("peer.service", dependency) }

// outcome says what a failed call means for the next one.
type outcome int

const (
	answered  outcome = iota // also with an error that another attempt would get again
	failed                   // at the dependency or on the way to it
	otherwise                // by time, here, or at what the dependency calls
)

// hop is the state of a request that a server handles.
type hop struct{ callFailed atomic.Bool }

type hopKey struct{}

func withHop(ctx context.Context) (context.Context, *hop) {
	h := new(hop)
	return context.WithValue(ctx, hopKey{}, h), h
}

// errAgain stands for an attempt after which the call is made again.
var errAgain = errors.New("again")

// attemptKey is the key of the number of earlier attempts of a call.
type attemptKey struct{}

func earlier(ctx context.Context) int {
	n, _ := ctx.Value(attemptKey{}).(int)
	return n
}

// retry makes attempts until one ends with another outcome than failed, or the call may not
// be repeated. It returns the error of the last.
func (c *Client) retry(ctx context.Context, idempotent bool, attempt func(context.Context) (outcome, error)) error {
	c.budget.earn()
	got, err := attempt(ctx)
	made := 1
	more := func() bool { return got == failed && idempotent && !without(ctx) && c.another(ctx, made) }
	if more() {
		c.repeat(ctx, func() (again bool) {
			got, err = attempt(context.WithValue(ctx, attemptKey{}, made))
			made++
			return more()
		}, func() string { return err.Error() })
	}
	if h, ok := ctx.Value(hopKey{}).(*hop); ok && got != answered {
		h.callFailed.Store(true)
	}
	return err
}

// another reports whether a call may be made again after a number of attempts.
func (c *Client) another(ctx context.Context, made int) bool {
	if made >= c.policy.Attempts || ctx.Err() != nil {
		return false
	}
	if d, ok := ctx.Deadline(); ok && time.Until(d) <= c.policy.Backoff {
		return false // it would end before the attempt
	}
	if !c.budget.spend() {
		c.series.exhausted.Inc()
		return false
	}
	return true
}

// repeat makes attempts, with backoff and jitter before each, while they ask for another.
func (c *Client) repeat(ctx context.Context, attempt func() (again bool), reason func() string) {
	policy := retrypolicy.NewBuilder[any]().
		WithMaxAttempts(-1). // the attempt decides
		WithBackoff(c.policy.Backoff, 8*c.policy.Backoff).
		WithJitterFactor(.5).
		HandleErrors(errAgain).
		OnRetryScheduled(func(e failsafe.ExecutionScheduledEvent[any]) {
			c.series.retries.Inc()
			trace.SpanFromContext(ctx).AddEvent("retry", trace.WithAttributes(peer(c.dependency), attribute.Int("retry.attempt", e.Attempts()),
				attribute.Int64("retry.delay_ms", e.Delay.Milliseconds()), attribute.String("error.message", reason())))
		}).Build()
	first := true
	_ = failsafe.With[any](policy).WithContext(ctx).Run(func() error {
		if first || attempt() {
			first = false
			return errAgain
		}
		return nil
	})
}

// refusal is the error of a call that was not made.
type refusal struct{ dependency, reason string }

func (r refusal) Error() string {
	if r.reason == reasonBulkhead {
		return fmt.Sprintf("too many calls of %s are in flight", r.dependency)
	}
	return fmt.Sprintf("the circuit breaker of %s is open", r.dependency)
}

// admit asks breaker and bulkhead for a call. The caller calls done with its outcome.
func (c *Client) admit(ctx context.Context) (done func(outcome), err error) {
	if without(ctx) {
		return func(outcome) {}, nil
	}
	if c.breaker.refuses() {
		return nil, c.refuse(ctx, reasonBreaker)
	}
	if !c.bulkhead.TryAcquirePermit() {
		began := time.Now()
		err := c.bulkhead.AcquirePermitWithMaxWait(ctx, c.policy.BulkheadWait)
		waited := time.Since(began)
		c.series.waited.Add(waited.Seconds())
		trace.SpanFromContext(ctx).AddEvent("bulkhead wait", trace.WithAttributes(peer(c.dependency), attribute.Int64("wait_ms", waited.Milliseconds())))
		if err != nil {
			return nil, c.refuse(ctx, reasonBulkhead)
		}
	}
	// Only calls that are made ask the breaker: a half-open one waits for their results.
	state, ok := c.breaker.admit()
	if !ok {
		c.bulkhead.ReleasePermit()
		return nil, c.refuse(ctx, reasonBreaker)
	}
	return func(o outcome) {
		c.bulkhead.ReleasePermit()
		c.breaker.record(state, o == failed)
	}, nil
}

// refuse counts a call that is not made. The span in ctx is that of the call.
func (c *Client) refuse(ctx context.Context, reason string) error {
	refused := c.series.breaker
	if reason == reasonBulkhead {
		refused = c.series.bulkhead
	}
	refused.Inc()
	trace.SpanFromContext(ctx).AddEvent("call refused", trace.WithAttributes(peer(c.dependency), attribute.String("reason", reason)))
	return refusal{c.dependency, reason}
}
