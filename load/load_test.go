package load

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPacer(t *testing.T) {
	const n, rate = 20_000, 50
	a, b, other := NewPacer(rate, 7), NewPacer(rate, 7), NewPacer(rate, 8)
	var last time.Duration
	same := true
	for range n {
		at := a.Next()
		if at < last {
			t.Fatalf("%v after %v", at, last)
		}
		if at != b.Next() {
			t.Fatal("one seed, two schedules")
		}
		same = same && at == other.Next()
		last = at
	}
	if same {
		t.Error("two seeds, one schedule")
	}
	// The mean of n exponential gaps is within 5 standard errors of 1/rate.
	if got, want := last.Seconds()/n, 1.0/rate; math.Abs(got-want) > 5*want/math.Sqrt(n) {
		t.Errorf("mean gap %v s, want %v s", got, want)
	}
	if got := new(Pacer).Next(); got != math.MaxInt64 {
		t.Errorf("the zero pacer asks for a request at %v", got)
	}
}

func TestCheckoutsAreAboutThirtyPercent(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	requests, checkouts := 0, 0
	for range 10_000 {
		for _, st := range pickJourney(rng) {
			requests++
			if st.operation == "POST /checkout" {
				checkouts++
			}
		}
	}
	if share := float64(checkouts) / float64(requests); share < .25 || share > .33 {
		t.Errorf("%.3f of the requests are checkouts", share)
	}
}

// TestLatencyCountsFromTheIntendedStart: a journey that starts late because the
// storefront or the shopper was stuck has waited all that time.
func TestLatencyCountsFromTheIntendedStart(t *testing.T) {
	shop := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer shop.Close()
	r := &runner{client: shop.Client(), total: newTally(), recent: newTally()}
	r.journey(t.Context(), t.Context(), newShopper(shop.Client(), shop.URL, 0, 1), []action{addToCart, checkout}, time.Now().Add(-time.Minute))
	s := r.total.summary(time.Minute)
	if p50 := s.Operations["POST /cart/items"].P50; p50 < 60_000 {
		t.Errorf("the late request took %v ms", p50)
	}
	if p50 := s.Operations["POST /checkout"].P50; p50 >= 60_000 {
		t.Errorf("the lateness of the first action was counted twice: %v ms", p50)
	}
}

// recorder is a storefront that records its requests.
type recorder struct {
	mu     sync.Mutex
	asked  []string
	status int
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, req.Header.Get("X-API-Key")+" "+req.Method+" "+req.URL.String())
	w.WriteHeader(r.status)
}

func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	run := func(status int) (Summary, map[string]int) {
		rec := &recorder{status: status}
		shop := httptest.NewServer(rec)
		defer shop.Close()
		s, err := Run(ctx, Config{Gateway: shop.URL, RPS: 2000, Seed: 3, Requests: 200})
		if err != nil {
			t.Fatal(err)
		}
		asked := map[string]int{}
		for _, a := range rec.asked {
			asked[a]++
		}
		return s, asked
	}
	s, asked := run(http.StatusOK)
	if s.Requests < 200 || s.Errors != 0 || s.Skipped != 0 {
		t.Errorf("%+v", s)
	}
	_, again := run(http.StatusOK)
	for a, n := range asked {
		if again[a] != n {
			t.Errorf("%q %d times, then %d: the seed does not decide", a, n, again[a])
		}
	}
	if s, _ := run(http.StatusServiceUnavailable); s.Errors != s.Requests || s.Operations["POST /checkout"].Requests != 0 {
		t.Errorf("a journey goes on after a failure: %+v", s)
	}
}

func TestRunRefuses(t *testing.T) {
	for want, cfg := range map[string]Config{
		"no gateway": {RPS: 1}, "must be from": {Gateway: "http://127.0.0.1:1"},
	} {
		if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestQuantilesTakeTheNearestRank(t *testing.T) {
	tl := newTally()
	for _, ms := range []time.Duration{1, 1000} {
		tl.add("a", ms*time.Millisecond, nil)
	}
	if o := tl.summary(time.Second).Operations["a"]; o.P50 != 1 || o.P95 != 1000 || o.P99 != 1000 {
		t.Errorf("of 1 and 1000 ms: p50 %v, p95 %v, p99 %v", o.P50, o.P95, o.P99)
	}
}

func TestPacerDoesNotWrap(t *testing.T) {
	p := NewPacer(1e-11, 1)
	for range 3 {
		if at := p.Next(); at <= 0 {
			t.Fatalf("due at %v", at)
		}
	}
}

// A gateway that hangs does not keep Run from ending.
func TestRunStopsSoon(t *testing.T) {
	for name, requests := range map[string]int{"while sending": 0, "after the last was sent": 3} {
		t.Run(name, func(t *testing.T) { stopsSoon(t, requests) })
	}
}

func stopsSoon(t *testing.T, requests int) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		s, err := run(ctx, Config{Gateway: "http://gateway", RPS: 10, Requests: requests}, client)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != time.Second+grace {
			t.Errorf("took %s, want %s and %s of grace", took, time.Second, grace)
		}
		if s.Requests != 0 {
			t.Errorf("%d requests are counted that were cut off", s.Requests)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
