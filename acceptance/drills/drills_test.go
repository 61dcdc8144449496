// Package drills runs a few drills of different kinds against the running storefront.
package drills

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/drill/report"
	"github.com/tenhop/tenhop/internal/uptest"
)

// Limits of the short form.
const (
	faults   = 3
	longest  = 4*time.Minute + 30*time.Second // all rounds; what does not fit is skipped
	perRound = 90 * time.Second               // without the first baseline
)

// TestDrills runs rounds of kinds that TENHOP_SEED selects, by default the day, and one
// without a fault. Two answers that are sure and wrong are a failure, and so is a hop that is
// named without a fault. An answer that is not sure, or comes too late, is only logged: the
// machine may be busy.
func TestDrills(t *testing.T) {
	if os.Getenv("TENHOP_DRILLS") == "" {
		t.Skip("set TENHOP_DRILLS=short: it runs the storefront for five minutes")
	}
	seed := uptest.Seed(t, uptest.Today())
	t.Logf("TENHOP_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 7))
	kinds := slices.DeleteFunc(drill.Kinds(), func(k string) bool { return k == drill.Control || k == drill.Two })
	rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	kinds = slices.Insert(kinds[:faults:faults], rng.IntN(faults+1), drill.Control)

	s := uptest.Start(t)
	file := filepath.Join(t.TempDir(), "drills.jsonl")
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	wrong := 0
	for i, kind := range kinds {
		if deadline, _ := ctx.Deadline(); i > 0 && time.Until(deadline) < perRound {
			t.Logf("no time is left for %v", kinds[i:])
			break
		}
		cmd := exec.CommandContext(ctx, s.Program, "drill", "--auto", "--dir", s.Dir, "--kinds", kind, "--seed", strconv.FormatUint(seed, 10),
			"--rounds", strconv.Itoa(i+1), "--report", file, "--resume", "--json")
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // the fault is lifted
		cmd.WaitDelay = 20 * time.Second
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		t.Logf("%s: %v\n%s", kind, err, said.Bytes())
		if ctx.Err() != nil {
			break
		}
		wrong += judge(t, kind, out)
	}
	// One in twenty may be wrong on a quiet machine: one of three does not tell.
	if wrong > 1 {
		t.Errorf("%d answers are sure and wrong", wrong)
	}
	f, err := report.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if right, _, err := f.Verify(); err != nil || right != len(f.Rounds) {
		t.Errorf("%d of %d seals are right: %v", right, len(f.Rounds), err)
	}
	t.Log(report.Summary(f.Rounds))
	if report.Counted(f.Rounds) == 0 {
		t.Error("no round counts")
	}
}

// judge returns the number of answers that are sure and wrong. It reports one that names a hop
// without a fault as an error.
func judge(t *testing.T, kind string, out []byte) (wrong int) {
	t.Helper()
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var r drill.Round
		if err := dec.Decode(&r); err != nil {
			t.Fatalf("%s: %v\n%s", kind, err, out)
		}
		switch {
		case r.Void != "":
			t.Logf("%s: void: %s", kind, r.Void)
		case r.Seconds.Answered != nil && !r.RightHop:
			wrong++
			t.Logf("%s: sure and wrong: it was %s\n%s", kind, r.Fault, r.Answer)
			if kind == drill.Control {
				t.Error("a hop was named without a fault")
			}
		case !r.Right():
			t.Logf("%s: not %v: %s %s", kind, r.Wrong(), r.Error, r.Answer)
		}
	}
	return wrong
}
