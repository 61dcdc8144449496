//go:build unix

package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// freezeScript stops and continues the process $1: stopped for $2 seconds, running for $3,
// $4 times. It ends when the process is gone or has lifted the fault.
const freezeScript = `trap 'kill -CONT "$1"; exit' TERM HUP INT
n=0
while [ "$n" -lt "$4" ]; do
  kill -STOP "$1" || exit
  sleep "$2"
  kill -CONT "$1" || exit
  [ "$3" = 0 ] || sleep "$3"
  n=$((n+1))
done`

// freeze starts a shell that stops this process for stopped of each period, until over has
// passed or ctx is done.
func freeze(ctx context.Context, stopped, period, over time.Duration) error {
	cycles, running := int(over/period), period-stopped
	if running < 10*time.Millisecond { // it could not lift the fault in between
		stopped, running, cycles = over, 0, 1
	}
	seconds := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
	rest := seconds(running)
	if running == 0 {
		rest = "0"
	}
	return shell(ctx, freezeScript, strconv.Itoa(os.Getpid()), seconds(stopped), rest, strconv.Itoa(max(1, cycles)))
}

// shell starts a shell that ends by itself, or when it is terminated after ctx is done.
func shell(ctx context.Context, script string, args ...string) error {
	c := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
	if err := c.Start(); err != nil {
		return fmt.Errorf("the fault needs /bin/sh: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait()
	}()
	go func() {
		select {
		case <-ctx.Done():
			_ = c.Process.Signal(syscall.SIGTERM) // interrupts are ignored in the background
		case <-ended:
		}
	}()
	return nil
}
