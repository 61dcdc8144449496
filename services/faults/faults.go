// Package faults describes the kinds of fault that only services of the storefront have,
// beside those of middleware/chaos. A service lists those that it offers in its Definition.
// Most are switches, which its code asks with chaos.Injector.On.
package faults

import (
	"errors"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// factor requires a factor of at least least and at most most.
func factor(least, most float64, otherwise string) func(chaos.Fault) error {
	return func(f chaos.Fault) error {
		if !(f.Factor >= least && f.Factor <= most) {
			return errors.New(otherwise)
		}
		return nil
	}
}
