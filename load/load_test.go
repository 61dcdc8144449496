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

	"github.com/tenhop/tenhop/middleware/chaos"
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

// requestsUnder counts the requests of 100 virtual seconds under a fault.
func requestsUnder(t *testing.T, fault *chaos.Fault) (asked map[string]int) {
	t.Helper()
	asked = map[string]int{}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			asked[r.Method+" "+r.URL.Path]++
			asked["all"]++
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		})}
		faults := chaos.New(chaos.WithKinds(Kinds()...))
		if fault != nil {
			if _, err := faults.Inject(*fault); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := run(t.Context(), Config{Gateway: "http://gateway", RPS: 20, Seed: 1, For: 100 * time.Second, Chaos: faults}, client); err != nil {
			t.Fatal(err)
		}
		faults.Clear("")
	})
	return asked
}

func TestFaultsOfShoppers(t *testing.T) {
	quiet := requestsUnder(t, nil)
	more := requestsUnder(t, &chaos.Fault{Kind: "surge", Factor: 3})
	if ratio := float64(more["all"]) / float64(quiet["all"]); ratio < 2.7 || ratio > 3.3 {
		t.Errorf("%d requests, %d under a surge of 3", quiet["all"], more["all"])
	}
	if before, now := float64(quiet["POST /checkout"])/float64(quiet["all"]), float64(more["POST /checkout"])/float64(more["all"]); now < before*.9 || now > before*1.1 {
		t.Errorf("checkouts were %.3f of the requests, %.3f under a surge", before, now)
	}
	large := requestsUnder(t, &chaos.Fault{Kind: "mix", Factor: 15})
	if items := float64(large["POST /cart/items"]) / float64(large["POST /checkout"]); items < 14.5 || items > 17 {
		t.Errorf("%.1f products for each checkout, want about 15", items)
	}
	if ratio := float64(large["all"]) / float64(quiet["all"]); ratio < .85 || ratio > 1.15 {
		t.Errorf("%d requests, %d with large carts", quiet["all"], large["all"])
	}
	searches := requestsUnder(t, &chaos.Fault{Kind: "mix", Operation: "GET /search", Percent: 60})
	if share := float64(searches["GET /search"]) / float64(searches["all"]); share < .4 {
		t.Errorf("%.2f of the requests are searches", share)
	}
	for _, f := range []chaos.Fault{{Kind: "mix"}, {Kind: "mix", Factor: 60}, {Kind: "mix", Operation: "GET /nothing"}, {Kind: "surge"}} {
		if _, err := chaos.New(chaos.WithKinds(Kinds()...)).Inject(f); err == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
}
