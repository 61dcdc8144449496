//go:build linux

package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/services/catalog"
	"github.com/tenhop/tenhop/services/identity"
)

// Customers' patience.
const (
	workers     = 12
	patience    = 20 * time.Second // of most requests
	tries       = 6                // of one checkout
	pauseBefore = 200 * time.Millisecond
)

// crowd is the customers of a run. Each worker has users of its own, so that it knows
// all that happens to their carts.
type crowd struct {
	gateway string
	seed    uint64
	run     string // prefix of the idempotency keys
	began   time.Time
	client  *http.Client

	mu       sync.Mutex
	known    Customers
	history  []Observation
	methods  map[Checkout]string // payment method of each checkout that was tried
	doubtful map[Checkout]int    // users' number by checkout whose outcome is not known
	odd      []string            // answers that no customer should see
	requests int
}

func newCrowd(gateway string, seed uint64) *crowd {
	return &crowd{gateway: gateway, seed: seed, run: fmt.Sprintf("%x", time.Now().UnixNano()), began: time.Now(),
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4 * workers}},
		known:   Customers{Acknowledged: map[string]Checkout{}, Added: map[string]map[string]int64{}},
		methods: map[Checkout]string{}, doubtful: map[Checkout]int{}}
}

// shop shops until ctx ends.
func (c *crowd) shop(ctx context.Context) {
	var g sync.WaitGroup
	for w := range workers {
		g.Go(func() {
			rng := rand.New(rand.NewPCG(c.seed, uint64(w)+100))
			for n := 0; ctx.Err() == nil; n++ {
				user := w + workers*rng.IntN(identity.Users/workers)
				c.journey(ctx, rng, w, user, n)
			}
		})
	}
	g.Wait()
}

// journey fills the cart of a user and checks out: with one key, with several keys for
// one cart at once, or several times with one key at once.
func (c *crowd) journey(ctx context.Context, rng *rand.Rand, worker, user, n int) {
	dear := rng.IntN(30) == 0 // more than the fraud check allows
	for range 1 + rng.IntN(3) {
		product, quantity := rng.IntN(catalog.Products), 1+rng.IntN(3)
		if dear {
			product, quantity = 140, 99
		}
		for range 3 {
			if c.add(ctx, user, catalog.ProductID(product), quantity) || !uptest.Sleep(ctx, pauseBefore) {
				break
			}
		}
	}
	if ctx.Err() != nil {
		return
	}
	keys, atOnce := 1, 1
	switch rng.IntN(6) {
	case 0:
		keys = 2 + rng.IntN(3)
	case 1:
		atOnce = 2
	}
	var g sync.WaitGroup
	for k := range keys {
		checkout := Checkout{identity.UserID(user), fmt.Sprintf("%s-%d-%d-%d", c.run, worker, n, k)}
		method := []string{"card", "wallet", "invoice"}[rng.IntN(3)]
		for i := range atOnce {
			own := rand.New(rand.NewPCG(rng.Uint64(), 1))
			g.Go(func() { c.buy(ctx, own, worker+workers*(k+4*i), user, checkout, method) })
		}
	}
	g.Wait()
}

// add puts a product into the cart and reports whether it was answered.
func (c *crowd) add(ctx context.Context, user int, product string, quantity int) bool {
	c.mu.Lock()
	name := identity.UserID(user)
	if c.known.Added[name] == nil {
		c.known.Added[name] = map[string]int64{}
	}
	c.known.Added[name][product] += int64(quantity)
	c.mu.Unlock()
	status, _ := c.ask(ctx, patience, user, http.MethodPost, "/cart/items", map[string]any{"product_id": product, "quantity": quantity}, "")
	return status/100 == 2
}

// buy checks out until the outcome is known or tries are used up.
func (c *crowd) buy(ctx context.Context, rng *rand.Rand, client, user int, checkout Checkout, method string) {
	c.mu.Lock()
	c.methods[checkout] = method
	c.mu.Unlock()
	wait := pauseBefore
	for range tries {
		limit := patience
		if rng.IntN(12) == 0 { // a customer who closes the page
			limit = time.Duration(20+rng.IntN(400)) * time.Millisecond
		}
		o, final := c.checkout(ctx, limit, client, user, checkout, method)
		if final {
			if o.Outcome == Acknowledged && rng.IntN(4) == 0 {
				c.list(ctx, client, user, o)
			}
			return
		}
		if !uptest.Sleep(ctx, wait+time.Duration(rng.Int64N(int64(wait)))) {
			break
		}
		wait = min(2*wait, 2*time.Second)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubtful[checkout] = user
}

var ordered = regexp.MustCompile(`used for order (\S+),`)

// checkout sends a checkout once and records its outcome.
func (c *crowd) checkout(ctx context.Context, limit time.Duration, client, user int, of Checkout, method string) (o Observation, final bool) {
	o = Observation{Checkout: of, Client: client, Call: int64(time.Since(c.began))}
	status, body := c.ask(ctx, limit, user, http.MethodPost, "/checkout", map[string]string{"payment_method": method}, of.Key)
	o.Return = int64(time.Since(c.began))
	var answer struct {
		Order string `json:"order_id"`
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // an answer that is cut off is no answer
	switch {
	case status == http.StatusCreated && answer.Order != "":
		o.Outcome, o.Order, final = Acknowledged, answer.Order, true
	case status == http.StatusConflict && strings.Contains(answer.Error, "under way"), status == http.StatusTooManyRequests:
		return o, false // nothing is known
	case status == http.StatusConflict:
		o.Outcome, final = Failed, true
	case status == http.StatusUnprocessableEntity && strings.Contains(answer.Error, "cart is empty"):
		o.Outcome, final = Empty, true
	case status == http.StatusUnprocessableEntity && ordered.MatchString(answer.Error):
		o.Outcome, o.Order, final = Acknowledged, ordered.FindStringSubmatch(answer.Error)[1], true
	case status == http.StatusUnprocessableEntity, status == http.StatusForbidden:
		o.Outcome, final = Refused, true
	case status == 0, status >= 499:
		o.Outcome = Unknown
	default:
		c.mu.Lock()
		c.odd = append(c.odd, fmt.Sprintf("%d %s", status, body))
		c.mu.Unlock()
		o.Outcome = Unknown
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, o)
	if o.Outcome == Acknowledged {
		c.known.Acknowledged[o.Order] = of
	}
	return o, final
}

// list looks for an acknowledged order in the customer's list.
func (c *crowd) list(ctx context.Context, client, user int, of Observation) {
	o := Observation{Checkout: of.Checkout, Client: client, Order: of.Order, Outcome: Missing, Call: int64(time.Since(c.began))}
	status, body := c.ask(ctx, patience, user, http.MethodGet, "/orders", nil, "")
	o.Return = int64(time.Since(c.began))
	if status != http.StatusOK {
		return
	}
	if bytes.Contains(body, []byte(of.Order)) {
		o.Outcome = Listed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, o)
}

// lastWord asks again for each checkout whose outcome is not known, until it is or
// ctx ends. It returns the number of those that stay unknown.
func (c *crowd) lastWord(ctx context.Context) int {
	for {
		c.mu.Lock()
		left := make(map[Checkout]int, len(c.doubtful))
		for of, user := range c.doubtful {
			left[of] = user
		}
		c.mu.Unlock()
		if len(left) == 0 {
			return 0
		}
		var g sync.WaitGroup
		slots := make(chan struct{}, workers)
		for of, user := range left {
			g.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				if _, final := c.checkout(ctx, patience, 0, user, of, c.method(of)); final {
					c.mu.Lock()
					delete(c.doubtful, of)
					c.mu.Unlock()
				}
			})
		}
		g.Wait()
		if !uptest.Sleep(ctx, 5*time.Second) {
			return len(left)
		}
	}
}

func (c *crowd) method(of Checkout) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.methods[of]
}

// tried returns the checkouts that were tried.
func (c *crowd) tried() map[Checkout]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[Checkout]bool{}
	for of := range c.methods {
		out[of] = true
	}
	return out
}

// observations returns the history so far.
func (c *crowd) observations() []Observation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.history)
}

// ask sends a request and returns status 0 without an answer.
func (c *crowd) ask(ctx context.Context, limit time.Duration, user int, method, path string, body any, key string) (status int, answer []byte) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	payload, err := json.Marshal(body)
	if err != nil {
		return 0, nil
	}
	req, err := http.NewRequestWithContext(ctx, method, c.gateway+path, bytes.NewReader(payload))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("X-API-Key", identity.APIKey(user))
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	c.mu.Lock()
	c.requests++
	c.mu.Unlock()
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20)); err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}
