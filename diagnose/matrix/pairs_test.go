package matrix

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/uptest"
)

// Times of a pair. All fifteen take about eleven minutes.
const (
	pairBaseline = 70 * time.Second // before the first pair
	pairFault    = 20 * time.Second // from the injection to the diagnosis
	pairPause    = 20 * time.Second // after the faults are removed
	pairLatency  = 200 * time.Millisecond
)

// pairHops lists the hops whose pairs are injected.
var pairHops = []string{"cart", "pricing", "loyalty", "inventory", "payment", "fraud"}

// TestPairsLive injects 200 ms at each pair of six hops of a running storefront, and
// diagnoses after 20 s. TENHOP_PAIRS is the number of pairs, at most 15.
func TestPairsLive(t *testing.T) {
	limit, err := strconv.Atoi(os.Getenv("TENHOP_PAIRS"))
	if err != nil {
		t.Skip("runs the storefront for eleven minutes; set TENHOP_PAIRS to the number of pairs: 15 for all")
	}
	ctx := t.Context()
	s := uptest.Start(t)
	jaegerServices(ctx, t, s)
	uptest.Sleep(ctx, pairBaseline)
	operation := map[string]string{}
	for _, h := range hops {
		operation[h.service] = h.operation
	}
	var table strings.Builder
	fmt.Fprint(&table, "| slow | both named | findings |\n|---|---|---|\n")
	pairs, both := 0, 0
	for i, a := range pairHops {
		for _, b := range pairHops[i+1:] {
			if pairs == limit {
				break
			}
			pairs++
			for _, h := range []string{a, b} {
				fault := map[string]any{"kind": "latency", "latency": pairLatency.String(), "operation": operation[h], "percent": 100, "for": "1m"}
				if _, err := s.Inject(ctx, h, fault); err != nil {
					t.Fatal(err)
				}
			}
			uptest.Sleep(ctx, pairFault)
			res, err := collect.Run(ctx, collect.Config{Prometheus: s.Endpoints["prometheus"], Jaeger: s.Endpoints["jaeger"],
				Entry: "POST /checkout", Since: evidenceLength})
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range []string{a, b} {
				if err := s.Clear(ctx, h); err != nil {
					t.Error(err)
				}
			}
			ok := res.Verdict == result.Spike && names(res, a) && names(res, b)
			if ok {
				both++
			}
			fmt.Fprintf(&table, "| %s, %s | %v | %s |\n", a, b, ok, listed(res))
			uptest.Sleep(ctx, pairPause)
		}
	}
	t.Logf("both named in %d of %d pairs\n\n%s", both, pairs, table.String())
	if both*100 < pairs*95 {
		t.Errorf("both named in %d of %d pairs, want 95 %%", both, pairs)
	}
}

// names reports whether a finding names a service as slow.
func names(r result.Result, service string) bool {
	for _, f := range r.Findings {
		if f.Hop == service && f.Kind == result.KindSelf || f.Kind == result.KindDependency && f.Target == service {
			return true
		}
	}
	return false
}

// listed returns the verdict and the findings in one line.
func listed(r result.Result) string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %s %s %.0f ms", f.Hop, f.Kind, f.Target, f.AddedMS))
	}
	return r.Verdict + ": " + strings.Join(out, ", ")
}
