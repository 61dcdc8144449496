//go:build linux

package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/supervisor"
)

// kind is a kind of fault.
type kind string

// The kinds, as the table names them.
const (
	kill   kind = "kills"
	stop   kind = "restarts"
	freeze kind = "freezes"
	link   kind = "link faults"
	disk   kind = "disk"
	tear   kind = "torn"
)

// kinds lists the kinds in the order of the table.
var kinds = []kind{kill, stop, freeze, link, disk, tear}

// Processes by what they do.
var (
	services = []string{"gateway", "identity", "catalog", "cart", "checkout", "pricing", "loyalty", "inventory", "order", "payment", "fraud", "shipping", "notification"}
	stored   = []string{"checkout", "order", "payment", "inventory", "shipping", "notification"}
)

// blow is one planned fault.
type blow struct {
	after   time.Duration // since the blow before
	kind    kind
	process string
	lasting time.Duration
	seed    uint64 // of the details
}

// plan returns the faults of a run: the same for the same seed.
func plan(seed uint64, length time.Duration) []blow {
	rng := rand.New(rand.NewPCG(seed, 1))
	var out []blow
	for at := time.Duration(0); ; {
		b := blow{after: time.Duration(400+rng.IntN(2200)) * time.Millisecond, seed: rng.Uint64(),
			process: services[rng.IntN(len(services))], lasting: time.Duration(200+rng.IntN(5000)) * time.Millisecond}
		switch n := rng.IntN(100); {
		case n < 30:
			b.kind = kill
		case n < 36:
			b.kind = stop
		case n < 56:
			b.kind = freeze
		case n < 78:
			b.kind = link
		case n < 84:
			b.kind = disk
		default:
			b.kind = tear
			b.process = stored[rng.IntN(len(stored))]
		}
		if rng.IntN(8) == 0 { // the broker holds Redis too
			b.process = []string{"broker", "broker", "telemetry"}[rng.IntN(3)]
			if b.kind == tear { // telemetry promises nothing after a power cut
				b.process = "broker"
			}
		}
		if b.kind == freeze && rng.IntN(6) == 0 {
			b.lasting += 12 * time.Second // longer than any caller waits
		}
		if at += b.after; at > length {
			return out
		}
		out = append(out, b)
	}
}

// killer carries out a plan.
type killer struct {
	state    supervisor.Dir
	links    *links
	disk     *fullDisk // nil if no disk can be filled
	postgres bool      // the services' stores are not files
	kafka    bool      // the broker is Apache Kafka
	log      func(format string, args ...any)

	mu    sync.Mutex
	count map[kind]int
	busy  map[string]bool // processes under a fault
	late  int             // stores that were damaged too late
	ended chan struct{}
}

// wait waits until the last fault has ended.
func (k *killer) wait() { <-k.ended }

// invalid reports whether a store was damaged while its process ran.
func (k *killer) invalid() bool { return k.late > 0 }

// run carries out all blows. It returns when the last one has ended.
func (k *killer) run(ctx context.Context, blows []blow) {
	defer close(k.ended)
	var g sync.WaitGroup
	for _, b := range blows {
		if !uptest.Sleep(ctx, b.after) {
			break
		}
		g.Go(func() { k.strike(ctx, b) })
	}
	g.Wait()
}

// strike carries out one blow, unless its process has another.
func (k *killer) strike(ctx context.Context, b blow) {
	subject := b.process
	if b.kind == link || b.kind == disk {
		subject = string(b.kind) + b.process
	}
	k.mu.Lock()
	taken := k.busy[subject]
	k.busy[subject] = true
	k.mu.Unlock()
	if taken {
		return
	}
	said, err := k.do(ctx, b)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy[subject] = false
	switch {
	case errors.Is(err, errLate):
		k.late++
		fallthrough
	case err != nil:
		k.log("%s %s: not done: %v", b.kind, b.process, err)
	default:
		k.count[b.kind]++
		k.log("%s %s %s", b.kind, b.process, said)
	}
}

func (k *killer) do(ctx context.Context, b blow) (string, error) {
	rng := rand.New(rand.NewPCG(b.seed, 2))
	switch b.kind {
	case kill:
		return "", k.signal(b.process, syscall.SIGKILL)
	case stop:
		return "", k.signal(b.process, syscall.SIGTERM)
	case freeze:
		p, err := k.process(b.process)
		if err != nil {
			return "", err
		}
		defer p.Release()
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			return "", err
		}
		uptest.Sleep(ctx, b.lasting)
		return "for " + b.lasting.String(), p.Signal(syscall.SIGCONT)
	case link:
		end := b.process
		switch end {
		case "broker":
			end = "redis"
		case "telemetry":
			end = "gateway"
		}
		return k.links.disturb(ctx, rng, end, b.lasting)
	case disk:
		return k.disk.fill(ctx, k, b)
	case tear:
		return k.tear(ctx, rng, b)
	}
	return "", fmt.Errorf("unknown kind %s", b.kind)
}

// process returns a handle of a process, which stays valid if the process ID is reused.
func (k *killer) process(name string) (*os.Process, error) {
	st, err := k.state.Read()
	if err != nil {
		return nil, err
	}
	if st.PIDs[name] == 0 {
		return nil, fmt.Errorf("%s is not running", name)
	}
	return os.FindProcess(st.PIDs[name])
}

func (k *killer) signal(name string, sig os.Signal) error {
	p, err := k.process(name)
	if err != nil {
		return err
	}
	defer p.Release()
	return p.Signal(sig)
}

// pid returns the ID of a process, 0 if it is not running.
func (k *killer) pid(name string) int {
	st, err := k.state.Read()
	if err != nil {
		return 0
	}
	return st.PIDs[name]
}
