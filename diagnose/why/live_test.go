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

// parts is the mean of a request by kind, in ms.
type parts map[string]float64

// TestLive injects faults into hops of a running storefront that a seed chooses, and prints
// on what their slow requests spend their own time. What it expects is that of the same hop
// before the fault and what the fault adds. Set TENHOP_WHY to run it.
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
		ms   int // of a request; 0 for a fault of the process
		want func(base parts, baseOwn, own, ms float64) parts
	}{
		{"latency", 40 + rng.IntN(100), slept},
		{"latency", 40 + rng.IntN(100), slept},
		{"cpu", 20 + rng.IntN(40), burnt},
		{"cpu", 20 + rng.IntN(40), burnt},
		{"mutex", 150 + rng.IntN(150), queued},
		{"mutex", 150 + rng.IntN(150), queued},
		{"gc", 0, nil},
	} {
		hop := hops[rng.IntN(len(hops))]
		fault := map[string]any{"kind": c.kind}
		if c.ms > 0 {
			fault["latency"] = fmt.Sprintf("%dms", c.ms)
		}
		before, err := record(t, s, hop, 0)
		if err != nil {
			t.Errorf("%s before: %v", hop, err)
			continue
		}
		if _, err := s.Inject(t.Context(), hop, fault); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		w, err := record(t, s, hop, float64(c.ms))
		if err := s.Clear(t.Context(), hop); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Errorf("%s at %s: %v", c.kind, hop, err)
			continue
		}
		var row []string
		for _, p := range w.Parts {
			row = append(row, fmt.Sprintf("%s %.1f %%", p.Kind, 100*p.Share))
		}
		verdict := "not scored: the process collects, whatever its requests do"
		if c.want != nil {
			want, got, off := c.want(byKind(before), before.OwnMS, w.OwnMS, float64(c.ms)), byKind(w), 0.0
			verdict = "expected"
			for kind, ms := range want {
				have := got[kind]
				if kind == result.OwnRunning {
					have += got[result.OwnRunnable]
				}
				verdict += fmt.Sprintf(" %s %.1f %%", kind, 100*ms/w.OwnMS)
				off = max(off, math.Abs(have-ms)/w.OwnMS)
			}
			verdict += fmt.Sprintf(", off by %.1f points at most", 100*off)
			scored++
			if off <= tolerance {
				right++
			}
		}
		t.Logf("%-8s %3d ms  %-10s %2d of %2d requests in %.1f s, own %.1f ms: %s; %s", c.kind, c.ms, hop, w.Slow, w.Requests, w.Seconds, w.OwnMS, strings.Join(row, ", "), verdict)
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

// record returns the own time of all operations of a hop.
func record(t *testing.T, s *uptest.Storefront, hop string, added float64) (*result.Why, error) {
	process := why.Process{Name: hop, URL: s.Admin[hop], Token: s.Token}
	res := result.Result{Findings: []result.Finding{{Hop: hop, Kind: result.KindSelf, AddedMS: added}}}
	err := why.Explain(t.Context(), http.DefaultClient, map[string]why.Process{hop: process}, &res)
	return res.Findings[0].Why, err
}

func byKind(w *result.Why) parts {
	out := parts{}
	for _, p := range w.Parts {
		out[p.Kind] = p.MS
	}
	return out
}

// slept expects that each request sleeps.
func slept(base parts, _, _, ms float64) parts {
	return parts{result.OwnSleep: base[result.OwnSleep] + ms}
}

// burnt expects that each request runs, or waits for a processor.
func burnt(base parts, _, _, ms float64) parts {
	return parts{result.OwnRunning: base[result.OwnRunning] + base[result.OwnRunnable] + ms}
}

// queued expects that each request waits for the lock for what is not usual.
func queued(_ parts, baseOwn, own, _ float64) parts {
	return parts{result.OwnLock: max(own-baseOwn, 0)}
}
