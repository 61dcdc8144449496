package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/supervisor"
)

// TestAdvice: an error that the user can do something about names the next step and
// still matches the library's error.
func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%w in /tmp", supervisor.ErrNotRunning), "nothing is running in /tmp; start it with `tenhop up`, or name its directory with --dir"},
		{&supervisor.StartingError{Dir: "/tmp", PID: 7}, "pid 7 is still starting in /tmp; try again in a moment"},
		{&supervisor.HeldError{Dir: "/tmp/.tenhop", PID: 7}, "stop it with `tenhop down`, or use another directory with --dir"},
		{&supervisor.DirError{Dir: "/tmp/.tenhop", Err: fs.ErrPermission}, "permission denied; name a writable directory with --dir"},
		{fmt.Errorf("read up.json: %w", supervisor.ErrDamaged), "`tenhop down` stops the processes and removes the file"},
		{app.ErrNoStorefront, "the stack runs alone, without a storefront; stop it with `tenhop down` and start `tenhop up`"},
		{app.ErrNotReady, "still starting; see `tenhop status`"},
		{fs.ErrClosed, "file already closed"},
	} {
		got := advise(c.err)
		if !strings.Contains(got.Error(), c.want) || !errors.Is(got, c.err) {
			t.Errorf("%v: %v, want %q", c.err, got, c.want)
		}
	}
	var usage *usageError
	err := advise(supervisor.Config{Replicas: map[string]int{"payment": 99}}.Check())
	if !errors.As(err, &usage) || err.Error() != "--replicas payment=99: must be between 1 and 20" {
		t.Errorf("a wrong configuration: %v", err)
	}
}
