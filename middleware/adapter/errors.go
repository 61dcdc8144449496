package adapter

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrorPanic is the error.type of a message whose handler panicked.
const ErrorPanic = "panic"

// ErrorType returns the error.type of an error that the transport has no code for:
// "canceled" and "timeout" for errors of a context, otherwise the type of the
// innermost error. It returns "" for nil. It never returns the text of an error,
// which is unbounded and may contain personal data.
func ErrorType(err error) (name string) {
	if err == nil {
		return ""
	}
	given := err
	defer func() {
		if recover() != nil { // a nil pointer whose methods need a value
			name = fmt.Sprintf("%T", given)
		}
	}()
	switch {
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
// is the result of recover. PanicError must be called in the deferred function that
// recovers: the log line has its stack. recovered is nil when the handler called runtime.Goexit.
func PanicError(recovered any) error {
	if recovered == nil {
		return errors.New("panic: the handler's goroutine exited")
	}
	stack := debug.Stack()
	return &panicError{recovered: recovered, stack: string(stack[:min(len(stack), maxStack)])}
}

// maxStack is the maximum length in bytes of a stack in a log line.
const maxStack = 16 << 10

// panicError is a panic with the stack of its goroutine.
type panicError struct {
	recovered any
	stack     string
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.recovered) }

// Unwrap returns the value of the panic when it is an error.
func (e *panicError) Unwrap() error {
	err, _ := e.recovered.(error)
	return err
}
