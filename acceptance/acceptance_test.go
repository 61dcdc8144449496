// Package acceptance_test tests the built program: it is started on free ports,
// measured, made slower hop by hop, diagnosed and stopped. TENHOP_ACCEPTANCE=short
// runs 100 checkouts and three hops selected by the seed in TENHOP_SEED, full runs
// 1,000 checkouts and all eleven hops. Without it the tests are skipped.
package acceptance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/supervisor"
)

// customersPath lists the services that a checkout waits for.
var customersPath = []string{"gateway", "identity", "catalog", "cart", "checkout", "pricing", "loyalty", "inventory", "order", "payment", "fraud"}

type scale struct {
	checkouts, quiet int // traces to check, diagnoses without a fault
	hops             []string
}

func scaleFromEnv(t *testing.T) scale {
	switch mode := os.Getenv("TENHOP_ACCEPTANCE"); mode {
	case "full":
		return scale{1000, 20, customersPath}
	case "short":
		seed := uptest.Seed(t, 1)
		hops := slices.Clone(customersPath)
		rand.New(rand.NewPCG(seed, 3)).Shuffle(len(hops), func(i, j int) { hops[i], hops[j] = hops[j], hops[i] })
		return scale{100, 5, hops[:3]}
	case "":
		t.Skip("set TENHOP_ACCEPTANCE=short or full, or use make acceptance")
	default:
		t.Fatalf("TENHOP_ACCEPTANCE=%s: must be short or full", mode)
	}
	return scale{}
}

// TestStory runs all parts against one storefront. Each part relies on those
// before it.
func TestStory(t *testing.T) {
	sc := scaleFromEnv(t)
	s := &storefront{t: t, program: build(t), dir: t.TempDir()}
	part := func(name string, f func(*testing.T)) {
		t.Run(name, func(t *testing.T) {
			s.t = t
			defer func() { s.t = nil }()
			f(t)
		})
	}
	s.start()
	part("Start", func(t *testing.T) { checkStart(t, s) })
	part("Listeners", func(t *testing.T) { checkListeners(t, s) })
	part("Traces", func(t *testing.T) { checkTraces(t, s, sc.checkouts) })
	part("Memory", func(t *testing.T) { checkMemory(t, s) })
	part("Quiet", func(t *testing.T) { checkQuiet(t, s, sc.quiet) })
	for _, hop := range sc.hops {
		part("Hop/"+hop, func(t *testing.T) { checkHop(t, s, hop) })
	}
	part("SelfTimesAddUp", func(t *testing.T) { checkSum(t, s) })
	part("FaultLeavesNoName", func(t *testing.T) { checkLeak(t, s) })
	part("ErrorLooksReal", func(t *testing.T) { checkErrorLeak(t, s) })
	part("DownAndUp", func(t *testing.T) { checkDownAndUp(t, s) })
}

func checkStart(t *testing.T, s *storefront) {
	ready := s.state.ReadyAt.Sub(s.began)
	figure(t, ready <= 10*time.Second, "ready, from the start of the process", "≤ 10 s", "%.1f s", ready.Seconds())
	until(t, time.Minute, "a checkout's trace with 13 services", func() error {
		traces, err := s.checkouts(context.Background(), s.began, 50)
		for _, tr := range traces {
			if len(tr.Services()) >= 13 && whole(tr) {
				return nil
			}
		}
		return fmt.Errorf("%d traces: %w", len(traces), errors.Join(err, errors.New("none is complete")))
	})
	first := time.Since(s.began)
	figure(t, first <= 15*time.Second, "first complete trace of 13 services", "≤ 15 s", "%.1f s", first.Seconds())
}

func checkMemory(t *testing.T, s *storefront) {
	var status supervisor.Status
	if err := json.Unmarshal([]byte(s.must("status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	var rss, pss uint64
	var each []string
	for _, p := range slices.Concat(status.Services, status.Parts) {
		each = append(each, fmt.Sprintf("%s %d/%d", p.Name, p.PSSBytes>>20, p.RSSBytes>>20))
		if p.Name != "load" && p.Name != "supervisor" {
			rss, pss = rss+p.RSSBytes, pss+p.PSSBytes
		}
	}
	// The processes run one program: its code is resident once, and in the RSS of each.
	figure(t, pss > 0 && pss <= 450<<20, "memory of 13 services and the stack, shared once", "≤ 450 MiB", "%d MiB", pss>>20)
	t.Logf("RSS %d MiB; each PSS/RSS: %s", rss>>20, strings.Join(each, ", "))
}

// maxUnsure is the maximum number of unsure verdicts on a busy machine: two and a
// half minutes of them.
const maxUnsure = 30

// checkQuiet diagnoses until the verdict was none for tries times. While another
// program occupies the processors, everything is slower, and the verdict is rightly
// unsure: checkQuiet counts and prints that, and tries again. It fails at once if
// the verdict names a hop, since there is no fault.
func checkQuiet(t *testing.T, s *storefront, tries int) {
	s.quietSince = *s.state.ReadyAt
	s.settle()
	none, unsure, slowest := 0, 0, 0.0
	for none < tries && unsure < maxUnsure {
		d := s.diagnose()
		slowest = max(slowest, d.TookMS)
		pause := time.Second
		switch d.Verdict {
		case "none":
			none++
		case "unsure":
			t.Logf("verdict unsure: %s", d.Why)
			unsure++
			pause = 5 * time.Second
		default:
			figure(t, false, "no fault, no spike", "all", "%s after %d of %d: %s %+v", d.Verdict, none, tries, d.Why, d.Findings[:min(1, len(d.Findings))])
			return
		}
		time.Sleep(pause)
	}
	figure(t, none == tries, "no fault, no spike", "all", "%d of %d (asked again while the machine was busy: %d)", none, tries, unsure)
	figure(t, slowest <= 2000, "slowest diagnosis", "≤ 2 s", "%.0f ms", slowest)
}

func checkHop(t *testing.T, s *storefront, hop string) {
	s.settle()                                   // the first minute after the start
	time.Sleep(time.Until(s.liftedAt.Add(calm))) // between two faults
	s.must("chaos", "inject", hop, "--latency", "500ms", "--for", "90s")
	defer func() {
		s.must("chaos", "clear")
		s.liftedAt = time.Now()
	}()
	began := time.Now()
	var last diagnosis
	for time.Since(began) < 30*time.Second {
		last = s.diagnose()
		if last.Verdict == "spike" && len(last.Findings) > 0 {
			f := last.Findings[0]
			if (f.Hop == hop || f.Target == hop) && f.Share >= 0.8 {
				figure(t, true, "500 ms at "+hop, "rank 1, ≥ 80 %, ≤ 30 s", "%s %s %s %s, %.0f %% of %.0f ms, after %.0f s, diagnosed in %.0f ms",
					f.Hop, f.Operation, f.Kind, f.Target, 100*f.Share, last.AddedMS, time.Since(began).Seconds(), last.TookMS)
				return
			}
		}
		time.Sleep(time.Second)
	}
	figure(t, false, "500 ms at "+hop, "rank 1, ≥ 80 %, ≤ 30 s", "%s: %s %+v", last.Verdict, last.Why, last.Findings[:min(2, len(last.Findings))])
}

// baseline is the quiet time that a diagnosis needs, with a margin.
const baseline = 75 * time.Second

// calm is the time between two faults. A diagnosis leaves earlier spikes out of its
// baseline, if there is quiet time between them.
const calm = 20 * time.Second

// settle waits until a diagnosis has a baseline.
func (s *storefront) settle() { time.Sleep(time.Until(s.quietSince.Add(baseline))) }

func checkDownAndUp(t *testing.T, s *storefront) {
	before := placeOrder(t, s)
	state := s.state
	s.must("down")
	left := 0
	for name, pid := range state.PIDs {
		if syscall.Kill(pid, 0) == nil && name != "supervisor" {
			left++
			t.Logf("%s (pid %d) is left", name, pid)
		}
	}
	if err := <-s.ended; err != nil {
		t.Errorf("tenhop up: %v\n%s", err, s.out)
	}
	figure(t, left == 0, "processes left after down", "0", "%d of %d", left, len(state.PIDs))
	s.start()
	after := orders(t, s)
	missing := 0
	for _, id := range before {
		if !slices.Contains(after, id) {
			missing++
		}
	}
	figure(t, missing == 0 && len(before) > 0, "orders there after down and up", "all", "%d of %d", len(before)-missing, len(before))
	s.must("down")
}
