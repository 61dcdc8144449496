package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/supervisor"
)

// advise appends a hint with verbs and flags to an error of a library. Configuration
// errors become usage errors.
func advise(err error) error {
	var starting *supervisor.StartingError
	var held *supervisor.HeldError
	var dir *supervisor.DirError
	var config *supervisor.ConfigError
	var inUse *app.AddressInUseError
	switch {
	case errors.As(err, &config):
		return &usageError{errors.New(strings.TrimSpace("--"+strings.ToLower(config.Field)+" "+config.Value) + ": " + config.Reason)}
	case errors.As(err, &inUse):
		return fmt.Errorf("--listen %s=%s: another program listens there; end it, or name another port", inUse.Endpoint, inUse.Address)
	case errors.Is(err, app.ErrNoStorefront):
		return fmt.Errorf("%w; stop it with `tenhop down` and start `tenhop up`: faults and drills know the storefront only, and a service of your own takes faults from the package middleware/chaos", err)
	case errors.Is(err, app.ErrNotReady):
		return fmt.Errorf("%w; see `tenhop status`", err)
	case errors.As(err, &starting):
		return fmt.Errorf("%w; try again in a moment", err)
	case errors.Is(err, supervisor.ErrNotRunning):
		return fmt.Errorf("%w; start it with `tenhop up`, or name its directory with --dir", err)
	case errors.As(err, &held):
		return fmt.Errorf("%w; stop it with `tenhop down`, or use another directory with --dir", err)
	case errors.As(err, &dir):
		return fmt.Errorf("%w; name a writable directory with --dir", err)
	case errors.Is(err, supervisor.ErrDamaged):
		return fmt.Errorf("%w; `tenhop down` stops the processes and removes the file", err)
	}
	return err
}
