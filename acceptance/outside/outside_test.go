//go:build linux

package outside

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/supervisor"
)

// Times of a run. All faults take about half an hour.
const (
	replicas = 3 // of payment
	baseline = 90 * time.Second
	pause    = 25 * time.Second // after a fault
	quiet    = 90 * time.Second // until nothing is named
	lasting  = 42 * time.Second // of a fault, unless it is shorter
)

// asked holds the times of the diagnoses after the onset.
var asked = []time.Duration{15 * time.Second, 25 * time.Second, 40 * time.Second}

// shop is a running storefront.
type shop struct {
	*uptest.Storefront
	state supervisor.Dir
}

// pid returns the present ID of a process, which changes when it is started again.
func (s *shop) pid(process string) (int, error) {
	st, err := s.state.Read()
	if err != nil {
		return 0, err
	}
	if st.PIDs[process] == 0 {
		return 0, fmt.Errorf("no process is named %q", process)
	}
	return st.PIDs[process], nil
}

// pids returns the process with a name, or all those of the service with that name.
func (s *shop) pids(name string) ([]int, error) {
	st, err := s.state.Read()
	if err != nil {
		return nil, err
	}
	if pid := st.PIDs[name]; pid != 0 {
		return []int{pid}, nil
	}
	var out []int
	for i := 1; st.PIDs[fmt.Sprintf("%s-%d", name, i)] != 0; i++ {
		out = append(out, st.PIDs[fmt.Sprintf("%s-%d", name, i)])
	}
	if out == nil {
		return nil, fmt.Errorf("no process is named %q", name)
	}
	return out, nil
}

// round is one fault with the answers to it.
type round struct {
	fault
	answers []result.Result
	errs    []error
	felt    string // what customers felt, "" if nothing
}

// TestOutsideFaults injects every fault into a running storefront and diagnoses it.
// TENHOP_OUTSIDE is full, or a part of the name of some faults.
func TestOutsideFaults(t *testing.T) {
	only := os.Getenv("TENHOP_OUTSIDE")
	if only == "" {
		t.Skip("SKIPPED: no fault was injected from outside; it runs the storefront for half an hour: set TENHOP_OUTSIDE=full, as root")
	}
	seed := uptest.Seed(t, uptest.Today())
	list := faults(rand.New(rand.NewPCG(seed, 1)))
	if only != "full" {
		list = slices.DeleteFunc(list, func(f fault) bool { return !strings.Contains(f.name, only) })
	}
	t.Logf("TENHOP_SEED=%d, %d faults, load %s", seed, len(list), loadAverage())
	ctx := t.Context()
	s := &shop{Storefront: uptest.Start(t, "--replicas", fmt.Sprintf("payment=%d", replicas))}
	dir, err := supervisor.In(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	s.state = dir
	uptest.Sleep(ctx, baseline)
	var rounds []round
	for _, f := range list {
		s.untilQuiet(ctx)
		r := s.run(ctx, f)
		rounds = append(rounds, r)
		t.Logf("%s\n", r.row())
		for _, a := range r.answers {
			if named(a) && !r.right(a) {
				b, _ := json.Marshal(a)
				t.Logf("sure and wrong: %s", b)
			}
		}
		uptest.Sleep(ctx, pause)
	}
	report(t, rounds)
}

// untilQuiet waits until nothing is named, at most for quiet.
func (s *shop) untilQuiet(ctx context.Context) {
	for began := time.Now(); time.Since(began) < quiet; uptest.Sleep(ctx, 3*time.Second) {
		if res, err := s.Diagnose(ctx); err == nil && res.Verdict == result.None {
			return
		}
	}
}

func (s *shop) run(ctx context.Context, f fault) round {
	r := round{fault: f}
	before := s.customers(ctx, 60*time.Second)
	lift, err := f.inject(ctx, s)
	if err != nil {
		r.errs = append(r.errs, err)
		return r
	}
	began := time.Now()
	lift = sync.OnceFunc(lift)
	defer lift()
	if f.lasting == 0 {
		f.lasting = lasting
	}
	ends := time.AfterFunc(f.lasting, lift)
	defer ends.Stop()
	for _, after := range asked {
		uptest.Sleep(ctx, time.Until(began.Add(after)))
		res, err := s.Diagnose(ctx)
		r.answers, r.errs = append(r.answers, res), append(r.errs, err)
		if after == asked[1] {
			r.felt = s.customers(ctx, asked[1]).worse(before)
		}
	}
	return r
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	return strings.Join(fields(b)[:3], " ")
}

func fields(b []byte) []string { return strings.Fields(string(b)) }
