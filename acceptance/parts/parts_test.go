package parts

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/services"
)

// Times of a run, which takes two and a half minutes.
const (
	baseline = 75 * time.Second // that a diagnosis needs, with a margin
	within   = 40 * time.Second // from a fault to its name
	calm     = 25 * time.Second // between two faults
	arrival  = 30 * time.Second // of all spans of a request, also those behind queues
)

// faulty lists the services that a checkout waits for. One of them gets slower.
var faulty = []string{"gateway", "identity", "catalog", "cart", "checkout", "pricing", "loyalty", "inventory", "order", "payment", "fraud"}

// TestStoryWithParts starts the storefront with an optional part. Customers search and buy, a
// hop that the seed selects takes 500 ms longer, and the diagnosis names it. TENHOP_PARTS=short
// selects one hop per part, full three.
func TestStoryWithParts(t *testing.T) {
	hops := 1
	switch form := os.Getenv("TENHOP_PARTS"); form {
	case "short":
	case "full":
		hops = 3
	case "":
		t.Skip("SKIPPED: set TENHOP_PARTS to short or full, or use make parts: it runs a storefront for two and a half minutes per part")
	default:
		t.Fatalf("TENHOP_PARTS=%q must be short or full", form)
	}
	seed := uptest.Seed(t, uptest.Today())
	t.Logf("TENHOP_SEED=%d", seed)
	program := uptest.Build(t)
	for _, p := range []part{
		{"search", searching},
		{"rabbitmq", overRabbitMQ},
		{"postgres", onPostgres},
		{"mtls", withMutualTLS},
		{"consul", foundInConsul},
		{"all", withAll},
	} {
		t.Run(p.name, func(t *testing.T) {
			on := p.on(t)
			s := &shop{uptest.Up(t, program, append([]string{"--rps", "20"}, on.args...)...)}
			s.story(t, on, chosen(seed, p.name, hops))
		})
	}
}

// chosen returns n services that the seed and the part select.
func chosen(seed uint64, part string, n int) []string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(part))
	hops := slices.Clone(faulty)
	rand.New(rand.NewPCG(seed, h.Sum64())).Shuffle(len(hops), func(i, j int) { hops[i], hops[j] = hops[j], hops[i] })
	return hops[:n]
}

// story lets customers buy before and during each fault. Their orders are accepted and
// delivered, and what they do reaches the part without an error.
func (s *shop) story(t *testing.T, on switched, hops []string) {
	began := time.Now()
	var requests []request
	for customer := range customers {
		requests = append(requests, s.visit(t, customer)...)
	}
	time.Sleep(time.Until(began.Add(baseline)))
	for i, hop := range hops {
		if i > 0 {
			time.Sleep(calm)
		}
		requests = append(requests, s.slow(t, hop)...)
	}
	s.delivered(t, requests)
	s.reached(t, on, requests)
	s.undisturbed(t, on, began)
	for _, check := range on.checks {
		check(t, s, requests)
	}
}

// slow adds 500 ms to a hop until the diagnosis names it. A customer buys meanwhile.
func (s *shop) slow(t *testing.T, hop string) []request {
	t.Helper()
	if _, err := s.Inject(t.Context(), hop, map[string]any{"kind": "latency", "latency": "500ms", "for": "90s"}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Clear(context.WithoutCancel(t.Context()), hop); err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	requests := s.visit(t, customers)
	var last result.Result
	for time.Since(began) < within {
		var err error
		if last, err = s.Diagnose(t.Context()); err != nil {
			t.Fatal(err)
		}
		if names(last, hop) {
			f := last.Findings[0]
			t.Logf("500 ms at %s: %s %s (%s), %.0f %% of %.0f ms at %s, after %.0f s",
				hop, f.Hop, f.Operation, f.Kind, 100*f.Share, last.AddedMS, last.Entry.Operation, time.Since(began).Seconds())
			return requests
		}
		time.Sleep(time.Second)
	}
	t.Errorf("500 ms at %s is not named within %s: %s: %s %+v", hop, within, last.Verdict, last.Why, last.Findings[:min(2, len(last.Findings))])
	return requests
}

// names reports whether a diagnosis is sure that a hop spends the added time itself, in one
// of the hop's operations.
func names(r result.Result, hop string) bool {
	if r.Verdict != result.Spike || len(r.Findings) == 0 {
		return false
	}
	f := r.Findings[0]
	return f.Hop == hop && f.Kind == result.KindSelf && f.Share >= .8 && slices.Contains(services.Operations(hop), f.Operation)
}
