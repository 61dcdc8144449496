//go:build !unix

package chaos

import (
	"context"
	"errors"
	"time"
)

func freeze(context.Context, time.Duration, time.Duration, time.Duration) error {
	return errors.New("the fault needs signals, which this system does not have")
}
