package search

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/uptest"
)

// Times of the run, which takes three minutes.
const (
	baseline = 75 * time.Second // that a diagnosis needs, with a margin
	within   = 40 * time.Second // from a fault to its name
	calm     = 25 * time.Second // between two faults
)

// front passes requests on to the engine after a delay, or breaks their connections.
type front struct {
	engine http.Handler
	delay  atomic.Int64 // nanoseconds
	away   atomic.Bool
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.away.Load() {
		panic(http.ErrAbortHandler)
	}
	time.Sleep(time.Duration(f.delay.Load()))
	f.engine.ServeHTTP(w, r)
}

func TestStorefrontOnASearchEngine(t *testing.T) {
	engine := os.Getenv("TENHOP_TEST_SEARCH")
	if os.Getenv("TENHOP_ACCEPTANCE") == "" || engine == "" {
		t.Skip("NOT TESTED ON OpenSearch: use make search, or set TENHOP_ACCEPTANCE=short and TENHOP_TEST_SEARCH")
	}
	u, err := url.Parse(engine)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{engine: httputil.NewSingleHostReverseProxy(u)}
	at := httptest.NewServer(f)
	defer at.Close()
	s := uptest.Up(t, uptest.Build(t), "--rps", "30", "--search", at.URL)
	ctx := t.Context()
	time.Sleep(baseline)

	f.delay.Store(int64(300 * time.Millisecond))
	named(t, s, "an engine that is 300 ms slower", func(g result.Finding) bool {
		return g.Hop == "catalog" && g.Kind == "dependency" && g.Target == "catalog-search" && g.Share >= .8
	})
	f.delay.Store(0)
	time.Sleep(calm)

	if _, err := s.Inject(ctx, "payment", map[string]any{"kind": "latency", "latency": "500ms", "for": "90s"}); err != nil {
		t.Fatal(err)
	}
	named(t, s, "500 ms at payment", func(g result.Finding) bool { return g.Hop == "payment" && g.Kind == "self" && g.Share >= .8 })
	if err := s.Clear(ctx, "payment"); err != nil {
		t.Fatal(err)
	}

	f.away.Store(true)
	searches(ctx, t, s, "database", 5*time.Second)
	f.away.Store(false)
	time.Sleep(6 * time.Second) // the longest backoff, and a little
	searches(ctx, t, s, "engine", 5*time.Second)
}

// named asks for a diagnosis until the first finding is the one that is meant.
func named(t *testing.T, s *uptest.Storefront, what string, meant func(result.Finding) bool) {
	t.Helper()
	began := time.Now()
	var last result.Result
	for time.Since(began) < within {
		var err error
		if last, err = s.Diagnose(t.Context()); err != nil {
			t.Fatal(err)
		}
		if last.Verdict == result.Spike && len(last.Findings) > 0 && meant(last.Findings[0]) {
			g := last.Findings[0]
			t.Logf("%s: %s %s %s %s, %.0f %% of %.0f ms at %s, after %.0f s", what, g.Hop, g.Operation, g.Kind, g.Target,
				100*g.Share, g.AddedMS/g.Share, last.Entry.Operation, time.Since(began).Seconds())
			return
		}
		time.Sleep(time.Second)
	}
	t.Errorf("%s: %s: %s %+v", what, last.Verdict, last.Why, last.Findings[:min(2, len(last.Findings))])
}

// searches searches for a time. None may fail, and the last must be answered by a store.
func searches(ctx context.Context, t *testing.T, s *uptest.Storefront, store string, during time.Duration) {
	t.Helper()
	count := func() float64 {
		v, _ := s.Value(ctx, `sum(catalog_searches_total{store="`+store+`"})`)
		return v
	}
	before, n := count(), 0
	for began := time.Now(); time.Since(began) < during; n++ {
		if _, err := s.Get(ctx, "gateway", "/search", url.Values{"q": {"kettle"}}); err != nil {
			t.Errorf("a search failed: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(6 * time.Second) // until the next scrape
	got := count() - before
	t.Logf("%s: %d searches of ours, none failed; it answered %.0f with those of the shoppers", store, n, got)
	if got < float64(n)/2 {
		t.Errorf("%s answered only %.0f of %d searches", store, got, n)
	}
}
