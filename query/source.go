package query

import (
	"context"
	"fmt"
	"time"
)

// LateError is returned for a query that exceeded its time budget. It matches
// context.DeadlineExceeded.
type LateError struct{ Budget time.Duration }

// Error implements error.
func (e *LateError) Error() string { return fmt.Sprintf("no answer within %s", e.Budget) }

// Unwrap returns context.DeadlineExceeded.
func (e *LateError) Unwrap() error { return context.DeadlineExceeded }

// Source records the queries to one back end. It is not safe for concurrent use.
type Source struct {
	Name, URL string // URL is redacted
	Err       error  // of the last query that failed
	Read      int    // number of series or traces in the responses
	Took      time.Duration
}

// NewSource returns a Source for a back end at a URL.
func NewSource(name, base string) *Source { return &Source{Name: name, URL: Redact(base)} }

// OK reports whether every query succeeded.
func (s *Source) OK() bool { return s.Err == nil }

// Ask runs a query with a time budget of its own. A query that exceeds the budget fails
// with a *LateError, unless the caller's context ended.
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
