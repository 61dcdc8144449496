package sqlmw

import (
	"errors"
	"fmt"
	"testing"
)

type stateError string

func (e stateError) Error() string    { return "secret text" }
func (e stateError) SQLState() string { return string(e) }

type codeError int

func (e codeError) Error() string { return "secret text" }
func (e codeError) Code() int     { return int(e) }

func TestErrorType(t *testing.T) {
	for _, c := range []struct {
		why  string
		err  error
		want string
	}{
		{"a lock was not available", fmt.Errorf("charge: %w", stateError("55P03")), "55P03"},
		{"a deadlock", stateError("40P01"), "40P01"},
		{"another SQLSTATE", stateError("23505"), "sqlmw.stateError"},
		{"busy", codeError(5), "SQLITE_BUSY"},
		{"an extended code of busy", codeError(5 | 2<<8), "SQLITE_BUSY"},
		{"another code", codeError(19), "sqlmw.codeError"},
		{"no code", errors.New("x"), "*errors.errorString"},
	} {
		if got := errorType(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}
