package query

import (
	"context"
	"fmt"
	"time"
)

// LateError is returned for a question that was not answered within its budget.
// It is a context.DeadlineExceeded.
type LateError struct{ Budget time.Duration }

// Error implements error.
func (e *LateError) Error() string { return fmt.Sprintf("no answer within %s", e.Budget) }

// Unwrap returns context.DeadlineExceeded.
func (e *LateError) Unwrap() error { return context.DeadlineExceeded }

// Source accounts for the questions that one back end is asked. It is not safe
// for concurrent use.
type Source struct {
	Name, URL string // URL is redacted
	Err       error  // of the last question that failed
	Read      int    // what the answers held: series, traces
	Took      time.Duration
}

// NewSource returns the account of a back end at a URL.
func NewSource(name, base string) *Source { return &Source{Name: name, URL: Redact(base)} }

// OK reports whether every question was answered.
func (s *Source) OK() bool { return s.Err == nil }

// Ask puts a question that must be answered within its own time budget. A
// question that exceeds it fails with a *LateError, unless the context of the
// caller ended.
func (s *Source) Ask(ctx context.Context, within time.Duration, question func(context.Context) (read int, err error)) error {
	began := time.Now()
	asked, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	n, err := question(asked)
	if err != nil && asked.Err() != nil && ctx.Err() == nil {
		err = &LateError{within}
	}
	s.Read += n
	s.Took += time.Since(began)
	if err != nil {
		s.Err = err
	}
	return err
}
