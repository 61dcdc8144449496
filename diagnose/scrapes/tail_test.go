package scrapes_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/scrapes"
)

// bounds are the buckets of the middleware's durations.
var bounds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}

// A minority of slow requests is a verdict, with its share, and so are slow phases. Once it
// has been said, it is not taken back while the fault lasts.
func TestMinority(t *testing.T) {
	for _, c := range []struct {
		why         string
		share, tail float64
		on, off     time.Duration
		within      time.Duration
	}{
		{why: "one in twenty", share: .05, tail: .8, within: 60 * time.Second},
		{why: "one in ten", share: .1, tail: .4, within: 45 * time.Second},
		{why: "one in a hundred", share: .01, tail: 2, within: 150 * time.Second},
		{why: "phases", share: 1, tail: .5, on: 5 * time.Second, off: 10 * time.Second, within: 30 * time.Second},
	} {
		for seed := range uint64(2) {
			f := scrapes.New(seed+80, began, 10, 0)
			f.Bounds = bounds
			rng := rand.New(rand.NewPCG(seed, 24))
			f.Onset, f.Slow = began.Add(20*time.Minute+time.Duration(rng.Float64()*30e9)), 1+rng.IntN(5)
			f.Faults = scrapes.Faults{Share: c.share, Tail: c.tail, On: c.on, Off: c.off, Heavy: .05}
			w := serve(t, f, seed, 2*time.Second, f.Onset.Add(c.within+time.Minute))
			named := time.Duration(0)
			for after := 6 * time.Second; after <= c.within+time.Minute; after += 12 * time.Second {
				res := w.ask(t, f.Onset.Add(after))
				right := len(res.Findings) > 0 && res.Findings[0].Hop == f.Service(f.Slow)
				t.Logf("%s, seed %d, %s after: %s %.0f -> %.0f ms; %+v, want %s", c.why, seed, after, describe(res), res.BaselineMS, res.NowMS, res.Minority, f.Service(f.Slow))
				sure := res.Verdict == result.Spike
				if right && sure && named == 0 {
					named = after
				}
				// After the first phase nothing tells that there will be another.
				first := c.on > 0 && after < c.on+c.off+3*time.Second
				kept := right && (sure || first)
				if named > 0 && !kept || sure && !right {
					t.Errorf("%s, seed %d, %s after: %s", c.why, seed, after, describe(res))
				}
				if x := res.Minority; right && c.on == 0 && x != nil && (x.Share < c.share/2.5 || x.Share > c.share*2.5) {
					t.Errorf("%s, seed %d: share %.3f", c.why, seed, x.Share)
				}
			}
			if named == 0 || named > c.within {
				t.Errorf("%s, seed %d: named after %s", c.why, seed, named)
			}
		}
	}
}

// A minority is told from native histograms, too, where no buckets are exported.
func TestMinorityNative(t *testing.T) {
	f := scrapes.New(85, began, 10, 0)
	f.NativeOnly = true
	rng := rand.New(rand.NewPCG(5, 26))
	f.Onset, f.Slow = began.Add(8*time.Minute+time.Duration(rng.Float64()*30e9)), 1+rng.IntN(5)
	f.Faults = scrapes.Faults{Share: .1, Tail: .4, Heavy: .05}
	w := serve(t, f, 5, 2*time.Second, f.Onset.Add(90*time.Second))
	for _, after := range []time.Duration{-time.Minute, 45 * time.Second, 75 * time.Second} {
		res := w.ask(t, f.Onset.Add(after))
		t.Logf("%s after: %s %.0f -> %.0f ms; %+v, want %s", after, describe(res), res.BaselineMS, res.NowMS, res.Minority, f.Service(f.Slow))
		switch sure := res.Verdict == result.Spike; {
		case after < 0 && sure:
			t.Errorf("%s before the onset: %s", -after, describe(res))
		case after > 0 && (!sure || res.Findings[0].Hop != f.Service(f.Slow) || res.Minority == nil):
			t.Errorf("%s after: %s; %+v, want %s", after, describe(res), res.Minority, f.Service(f.Slow))
		}
	}
}

// A second incident soon after a long one leaves little of the usual time in the five
// minutes that are read. The time before is read then.
func TestSecondIncident(t *testing.T) {
	for seed := range uint64(2) {
		f := scrapes.New(seed+160, began, 12, 0)
		f.Onset, f.Slow = began.Add(12*time.Minute), 1+int(seed)*2
		f.Faults = scrapes.Faults{Share: 1, Tail: .2, On: 4 * time.Minute, Off: 30 * time.Second}
		second := f.Onset.Add(f.Faults.On + f.Faults.Off)
		w := serve(t, f, seed, 2*time.Second, second.Add(time.Minute))
		for _, after := range []time.Duration{15 * time.Second, 25 * time.Second, 40 * time.Second} {
			if res := w.ask(t, second.Add(after)); res.Verdict != result.Spike || res.Findings[0].Hop != f.Service(f.Slow) {
				t.Errorf("seed %d, %s after: %s, want %s", seed, after, describe(res), f.Service(f.Slow))
			}
		}
	}
}

// In quiet hours with heavy-tailed delays no minority is a verdict.
func TestHeavyTailedQuiet(t *testing.T) {
	said := map[string]int{}
	for seed := range uint64(4) {
		f := scrapes.New(seed+120, began, 6+3*float64(seed%4), 0)
		f.Bounds = bounds
		f.Faults.Heavy = []float64{.02, .1, .3, .8}[seed%4]
		w := serve(t, f, seed, []time.Duration{2 * time.Second, 5 * time.Second}[seed%2], began.Add(40*time.Minute))
		for after := 8 * time.Minute; after <= 40*time.Minute; after += 43 * time.Second {
			res := w.ask(t, began.Add(after))
			said[res.Verdict]++
			if res.Verdict == result.Spike || res.Verdict == result.Errors {
				t.Errorf("heavy %.2f s, seed %d, %s: %s %.0f -> %.0f ms; %+v", f.Faults.Heavy, seed, after, describe(res), res.BaselineMS, res.NowMS, res.Minority)
			}
		}
	}
	t.Logf("verdicts %v", said)
}

// Two diagnoses that are run seconds apart read the same steps, so they agree on when the
// spike began and on what was before.
func TestSecondsApart(t *testing.T) {
	for seed := range uint64(4) {
		f := scrapes.New(seed+140, began, 20, 0)
		rng := rand.New(rand.NewPCG(seed, 25))
		f.Onset, f.Slow = began.Add(6*time.Minute+time.Duration(rng.Float64()*30e9)), 1+rng.IntN(5)
		f.Added = (1 + rng.Float64()) * f.Mean()
		w := serve(t, f, seed, 2*time.Second, f.Onset.Add(50*time.Second))
		first := w.ask(t, f.Onset.Add(40*time.Second))
		for _, after := range []time.Duration{700 * time.Millisecond, 1900 * time.Millisecond, 4 * time.Second} {
			res := w.ask(t, f.Onset.Add(40*time.Second+after))
			if res.Verdict != first.Verdict || !res.Window.From.Equal(first.Window.From) || res.Findings[0].Hop != first.Findings[0].Hop {
				t.Errorf("seed %d: %s since %s, and %s later %s since %s", seed, describe(first), first.Window.From, after, describe(res), res.Window.From)
			}
		}
	}
}

// A longer time that cannot be read leaves what is known of the shorter one.
func TestLongerTimeFails(t *testing.T) {
	f := scrapes.New(160, began, 12, 0)
	f.Onset, f.Slow = began.Add(12*time.Minute), 1
	f.Faults = scrapes.Faults{Share: 1, Tail: .2, On: 4 * time.Minute, Off: 30 * time.Second}
	second := f.Onset.Add(f.Faults.On + f.Faults.Off)
	w := serve(t, f, 0, 2*time.Second, second.Add(time.Minute))
	behind, failed := w.prom, 0
	selects := regexp.MustCompile(`\[(\d+)ms\]`)
	w.prom = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		form, _ := url.ParseQuery(string(body))
		if m := selects.FindStringSubmatch(form.Get("query") + r.FormValue("query")); m != nil {
			if ms, _ := strconv.Atoi(m[1]); ms > 400_000 {
				failed++
				http.Error(rw, "too many samples", http.StatusUnprocessableEntity)
				return
			}
		}
		at, _ := url.Parse(behind.URL)
		r.Body = io.NopCloser(bytes.NewReader(body))
		httputil.NewSingleHostReverseProxy(at).ServeHTTP(rw, r)
	}))
	defer w.prom.Close()
	for _, after := range []time.Duration{15 * time.Second, 25 * time.Second, 40 * time.Second} {
		res := w.ask(t, second.Add(after))
		for _, s := range res.Sources {
			if !s.OK {
				t.Errorf("%s after: %s has failed: %s", after, s.Name, s.Error)
			}
		}
	}
	if failed == 0 {
		t.Error("no longer time was asked for")
	}
}
