package why_test

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/why"
	"github.com/tenhop/tenhop/internal/uptest"
)

// TestLive injects faults into hops of a running storefront that a seed chooses, and prints
// on what their slow requests spend their own time. Set TENHOP_WHY to run it.
func TestLive(t *testing.T) {
	if os.Getenv("TENHOP_WHY") == "" {
		t.Skip("set TENHOP_WHY: it runs the storefront for three minutes")
	}
	rng := seed(t)
	s := uptest.Start(t, "--rps", "20")
	hops := []string{"catalog", "cart", "pricing", "inventory", "order", "payment", "checkout", "gateway", "identity"}
	time.Sleep(5 * time.Second)
	right, scored := 0, 0
	for _, c := range []struct {
		kind string
		ms   int                                               // of a request; 0 for a fault of the process
		want func(own, ms float64) (kinds []string, w float64) // parts whose sum is known, in ms
	}{
		{"latency", 40 + rng.IntN(100), func(_, ms float64) ([]string, float64) { return []string{result.OwnSleep}, ms }},
		{"latency", 40 + rng.IntN(100), func(_, ms float64) ([]string, float64) { return []string{result.OwnSleep}, ms }},
		{"cpu", 10 + rng.IntN(20), func(_, ms float64) ([]string, float64) { return []string{result.OwnRunning, result.OwnRunnable}, ms }},
		{"cpu", 10 + rng.IntN(20), func(_, ms float64) ([]string, float64) { return []string{result.OwnRunning, result.OwnRunnable}, ms }},
		{"mutex", 20 + rng.IntN(20), func(own, ms float64) ([]string, float64) { return []string{result.OwnLock}, own - ms }},
		{"mutex", 20 + rng.IntN(20), func(own, ms float64) ([]string, float64) { return []string{result.OwnLock}, own - ms }},
		{"gc", 0, nil},
	} {
		hop := hops[rng.IntN(len(hops))]
		fault := map[string]any{"kind": c.kind}
		if c.ms > 0 {
			fault["latency"] = fmt.Sprintf("%dms", c.ms)
		}
		if _, err := s.Inject(t.Context(), hop, fault); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		process := why.Process{Name: hop, URL: s.Admin[hop], Token: s.Token}
		res := result.Result{Findings: []result.Finding{{Hop: hop, Kind: result.KindSelf, AddedMS: float64(c.ms)}}}
		began := time.Now()
		err := why.Explain(t.Context(), http.DefaultClient, map[string]why.Process{hop: process}, &res)
		took := time.Since(began)
		if err := s.Clear(t.Context(), hop); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Errorf("%s at %s: %v", c.kind, hop, err)
			continue
		}
		w := res.Findings[0].Why
		var parts []string
		found := map[string]float64{}
		for _, p := range w.Parts {
			found[p.Kind] = p.MS
			parts = append(parts, fmt.Sprintf("%s %.1f %%", p.Kind, 100*p.Share))
		}
		verdict := "not scored: the process collects, whatever its requests do"
		if c.want != nil {
			kinds, want := c.want(w.OwnMS, float64(c.ms))
			got := 0.0
			for _, k := range kinds {
				got += found[k]
			}
			off := math.Abs(got-want) / w.OwnMS
			verdict = fmt.Sprintf("injected %.1f %%, off by %.1f points", 100*want/w.OwnMS, 100*off)
			scored++
			if off <= tolerance {
				right++
			}
		}
		t.Logf("%-8s %3d ms  %-10s %2d of %2d requests in %.1f s, own %.1f ms: %s; %s", c.kind, c.ms, hop, w.Slow, w.Requests, took.Seconds(), w.OwnMS, strings.Join(parts, ", "), verdict)
		for _, u := range w.Unseen {
			t.Logf("         note: %s", u)
		}
		time.Sleep(2 * time.Second)
	}
	t.Logf("%d of %d within 5 points", right, scored)
	if 10*right < 9*scored {
		t.Error("fewer than 90 %")
	}
}
