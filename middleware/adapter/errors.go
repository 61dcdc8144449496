package adapter

import (
	"context"
	"errors"
	"fmt"
)

// ErrorPanic is the error.type of a message whose handler panicked.
const ErrorPanic = "panic"

// ErrorType returns the error.type of an error that the transport has no code for:
// "canceled" and "timeout" for errors of a context, otherwise the type of the
// innermost error. It returns "" for nil. It never returns the text of an error,
// which is unbounded and may contain personal data.
func ErrorType(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return fmt.Sprintf("%T", err)
}

// PanicError returns the Outcome.Err for a handler that did not return. recovered
// is the result of recover. It is nil when the handler called runtime.Goexit.
func PanicError(recovered any) error {
	if recovered == nil {
		recovered = "the handler's goroutine exited"
	}
	return fmt.Errorf("panic: %v", recovered)
}
