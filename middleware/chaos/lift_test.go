//go:build unix

package chaos_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// A process that a shell started in the background ignores interrupts, and so do the shells
// that it starts. Its faults are lifted nevertheless.
func TestFreezeIsLiftedWhereInterruptsAreIgnored(t *testing.T) {
	signal.Ignore(os.Interrupt)
	defer signal.Reset(os.Interrupt)
	i := chaos.New()
	id, err := i.Inject(chaos.Fault{Kind: "freeze", Latency: ms(50), For: chaos.Duration(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if shells() == 0 {
		t.Skip("SKIPPED: ps does not list processes")
	}
	time.Sleep(100 * time.Millisecond)
	i.Clear(id)
	for end := time.Now().Add(5 * time.Second); shells() > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the process is still stopped at times")
		}
	}
}

// shells returns the number of shells that this process runs.
func shells() int {
	out, _ := exec.Command("ps", "-o", "ppid=,args=", "-A").Output()
	n := 0
	for s := bufio.NewScanner(strings.NewReader(string(out))); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) > 1 && f[0] == fmt.Sprint(os.Getpid()) && f[1] == "/bin/sh" {
			n++
		}
	}
	return n
}

// A second quota would outlast the first one, which then could not be lifted.
func TestThrottleIsNotNested(t *testing.T) {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), child+"=throttle twice")
	out, err := c.CombinedOutput()
	if err != nil || strings.Contains(string(out), "limited") {
		t.Errorf("%v; control groups afterwards:\n%s", err, out)
	}
}
