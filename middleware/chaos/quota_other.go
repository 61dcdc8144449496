//go:build !linux

package chaos

import (
	"context"
	"errors"
	"time"
)

// quota is not supported here.
func quota(context.Context, float64, time.Duration) error { return errors.New("no control groups") }
