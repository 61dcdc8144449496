package matrix

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/tenhop/tenhop/internal/uptest"
)

// TestLiveCells injects some of the recorded faults into a running storefront and diagnoses
// them within the same times. TENHOP_SEED selects the faults.
func TestLiveCells(t *testing.T) {
	var cells int
	switch mode := os.Getenv("TENHOP_ACCEPTANCE"); mode {
	case "short":
		cells = 2
	case "full":
		cells = 6
	default:
		t.Skip("set TENHOP_ACCEPTANCE=short or full: it runs the storefront for minutes")
	}
	seed := uptest.Seed(t, uptest.Today())
	rng := rand.New(rand.NewPCG(seed, 0))
	ctx := t.Context()
	sampling := []float64{1, 0.1, 0.01}[rng.IntN(3)]
	t.Logf("TENHOP_SEED=%d: %g %% of traces", seed, 100*sampling)
	s := start(ctx, t, sampling)
	for range cells {
		h, latency := hops[rng.IntN(len(hops))], latencies[rng.IntN(3)] // at least 100 ms
		t.Run(fmt.Sprintf("%s/%s", h.service, latency), func(t *testing.T) {
			c := record(ctx, t, s, Cell{Hop: h.service, Operation: h.operation, Latency: latency, Sampling: sampling})
			t.Logf("after %.1f s: %s", c.Seconds, c.Answer)
			if !c.Named {
				t.Errorf("%v at %s %s is not named: %s", latency, h.service, h.operation, c.Answer)
			}
		})
		uptest.Sleep(ctx, pauseBetween)
	}
}
