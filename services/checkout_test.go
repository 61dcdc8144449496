package services_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/identity"
)

// count asks a service's store directly.
func (s *storefront) count(t *testing.T, service, query string, args ...any) int {
	t.Helper()
	driver, dsn := "pgx", s.systems.store[service]
	if file, ok := strings.CutPrefix(dsn, "sqlite://"); ok {
		driver, dsn = "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)"
	} else {
		query = strings.Replace(query, "?", "$1", 1) // no query here has more than one
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %s: %v", service, query, err)
	}
	return n
}

func placed(t *testing.T, a answer) string {
	t.Helper()
	var o struct {
		OrderID string `json:"order_id"`
	}
	if err := json.Unmarshal([]byte(a.body), &o); err != nil || o.OrderID == "" {
		t.Fatalf("no order in %q: %v", a.body, err)
	}
	return o.OrderID
}

// TestStorefront shops at all thirteen services at once, started together as
// they are after a power cut: nobody waits for anybody in an order.
func TestStorefront(t *testing.T) {
	if testing.Short() {
		t.Skip("starts thirteen services")
	}
	for name, on := range map[string]func(*testing.T) systems{"stand-ins": standIns, "real-servers": realServers, "rabbitmq": onRabbitMQ} {
		t.Run(name, func(t *testing.T) { shop(t, start(t, on(t))) })
	}
}

func shop(t *testing.T, s *storefront) {
	t.Run("a checkout is one trace of thirteen services", func(t *testing.T) { oneTrace(t, s) })
	t.Run("the same key buys once", func(t *testing.T) { sameKey(t, s) })
	t.Run("one cart is ordered once", func(t *testing.T) { oneCart(t, s) })
	t.Run("a refused charge leaves nothing behind", func(t *testing.T) { refused(t, s) })
	t.Run("a lost answer does not lose the order", func(t *testing.T) { lostAnswer(t, s) })
	t.Run("a failing consumer catches up", func(t *testing.T) { catchUp(t, s) })
	t.Run("bad requests", func(t *testing.T) { badRequests(t, s) })
	t.Run("journeys", func(t *testing.T) { browse(t, s) })
	t.Run("admin pages", func(t *testing.T) { adminPages(t, s) })
}

func oneTrace(t *testing.T, s *storefront) {
	s.must(t, 7, http.MethodPost, "/cart/items", `{"product_id":"p-001","quantity":2}`)
	a := s.must(t, 7, http.MethodPost, "/checkout", `{"payment_method":"card"}`, "X-Correlation-ID", "one-trace")
	order := placed(t, a)
	if got := a.header.Get("X-Correlation-ID"); got != "one-trace" {
		t.Errorf("echoed correlation ID %q", got)
	}
	var trace string
	until(t, "all services are in the trace", func() error {
		traces := s.spans.tracesOf("gateway", "one-trace")
		if len(traces) != 1 {
			return fmt.Errorf("%d traces at the gateway", len(traces))
		}
		trace = traces[0]
		seen := map[string]bool{}
		for _, sp := range s.spans.of(trace) {
			seen[sp.service] = true
		}
		for _, name := range services.Names() {
			if !seen[name] {
				return fmt.Errorf("no span of %s", name)
			}
		}
		return nil
	})
	// A caller's span ends, and is exported, after its callee's.
	until(t, "one root, and every parent is there", func() error {
		spans := s.spans.of(trace)
		ids, roots := map[string]bool{}, 0
		for _, sp := range spans {
			ids[sp.id] = true
		}
		for _, sp := range spans {
			if strings.Trim(sp.parent, "0") == "" {
				roots++
			} else if !ids[sp.parent] {
				return fmt.Errorf("%s %q has no parent %s", sp.service, sp.name, sp.parent)
			}
			if sp.attributes["correlation_id"] != "one-trace" {
				return fmt.Errorf("%s %q has correlation_id %q", sp.service, sp.name, sp.attributes["correlation_id"])
			}
		}
		if roots != 1 {
			return fmt.Errorf("%d roots", roots)
		}
		return nil
	})
	until(t, "every service logged a line of it", func() error {
		lines := s.logs.lines("correlation_id", "one-trace")
		for _, name := range services.Names() {
			if !slices.ContainsFunc(lines, func(l map[string]any) bool { return l["service"] == name && l["trace_id"] == trace }) {
				return fmt.Errorf("no line of %s", name)
			}
		}
		return nil
	})
	until(t, "the message was sent", func() error {
		if n := s.count(t, "notification", "SELECT COUNT(*) FROM messages WHERE body LIKE ?", "%"+order+"%"); n != 1 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
	if n := s.count(t, "order", "SELECT COUNT(*) FROM outbox"); n != 0 {
		t.Errorf("%d rows stay in the outbox", n)
	}
}

func sameKey(t *testing.T, s *storefront) {
	s.must(t, 8, http.MethodPost, "/cart/items", `{"product_id":"p-002","quantity":1}`)
	first := placed(t, s.must(t, 8, http.MethodPost, "/checkout", `{"payment_method":"wallet"}`, "Idempotency-Key", "key-8"))
	again := placed(t, s.must(t, 8, http.MethodPost, "/checkout", `{"payment_method":"wallet"}`, "Idempotency-Key", "key-8"))
	if first != again {
		t.Errorf("orders %s and %s from one key", first, again)
	}
	// Of requests at once with one key, one is served; the others are told why.
	s.must(t, 11, http.MethodPost, "/cart/items", `{"product_id":"p-001","quantity":1}`)
	var wg sync.WaitGroup
	var served atomic.Int32
	for range 8 {
		wg.Go(func() {
			switch a := s.ask(t, 11, http.MethodPost, "/checkout", `{"payment_method":"card"}`, "Idempotency-Key", "key-11"); {
			case a.status == http.StatusCreated:
				served.Add(1)
			case a.status != http.StatusConflict && a.status != http.StatusUnprocessableEntity, strings.Contains(a.body, "rpc error"):
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if n := s.count(t, "order", "SELECT COUNT(*) FROM orders WHERE user_id = ?", identity.UserID(11)); n != 1 || served.Load() == 0 {
		t.Errorf("%d orders, %d answers of one", n, served.Load())
	}
	if n := s.count(t, "payment", "SELECT COUNT(*) FROM charges WHERE idempotency_key = ?", first); n != 1 {
		t.Errorf("%d charges", n)
	}
	if a := s.ask(t, 8, http.MethodPost, "/checkout", `{"payment_method":"card"}`, "Idempotency-Key", "key-8"); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "another payment method") {
		t.Errorf("the key for another request: %d %s", a.status, a.body)
	}
	// Keys are the users' own: somebody else's does not lock this one out.
	s.must(t, 9, http.MethodPost, "/cart/items", `{"product_id":"p-002","quantity":1}`)
	if other := placed(t, s.must(t, 9, http.MethodPost, "/checkout", `{"payment_method":"wallet"}`, "Idempotency-Key", "key-8")); other == first {
		t.Errorf("two users share the order %s", first)
	}
}

// oneCart sends checkouts of one cart at once, each with a key of its own: one of
// them is an order, the others find an empty cart.
func oneCart(t *testing.T, s *storefront) {
	s.must(t, 13, http.MethodPost, "/cart/items", `{"product_id":"p-001","quantity":1}`)
	var wg sync.WaitGroup
	var served atomic.Int32
	for i := range 8 {
		wg.Go(func() {
			switch a := s.ask(t, 13, http.MethodPost, "/checkout", `{"payment_method":"card"}`, "Idempotency-Key", fmt.Sprint("key-13-", i)); {
			case a.status == http.StatusCreated:
				served.Add(1)
			case a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "the cart is empty"):
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if n := s.count(t, "order", "SELECT COUNT(*) FROM orders WHERE user_id = ?", identity.UserID(13)); n != 1 || served.Load() != 1 {
		t.Errorf("%d orders, %d answers of one", n, served.Load())
	}
	if a := s.must(t, 13, http.MethodGet, "/cart", ""); !strings.Contains(a.body, `"items":[]`) {
		t.Errorf("the cart after the order: %s", a.body)
	}
}

// stock is what has not been sold or reserved of a product.
func (s *storefront) stock(t *testing.T, product string) int {
	t.Helper()
	return s.count(t, "inventory", "SELECT COALESCE(SUM(available), -1) FROM stock WHERE product_id = ?", product)
}

func refused(t *testing.T, s *storefront) {
	buy := func() answer {
		s.must(t, 10, http.MethodPost, "/cart/items", `{"product_id":"p-003","quantity":1}`)
		return s.ask(t, 10, http.MethodPost, "/checkout", `{"payment_method":"card"}`, "X-Correlation-ID", "refused")
	}
	if a := buy(); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	before := s.stock(t, "p-003")
	lift := s.inject(t, "payment", `{"kind":"error","code":"PERMISSION_DENIED","operation":"tenhop.v1.Payment/Charge"}`)
	a := buy()
	lift()
	if a.status != http.StatusForbidden {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if after := s.stock(t, "p-003"); after != before {
		t.Errorf("stock went from %d to %d", before, after)
	}
	if n := s.count(t, "checkout", "SELECT COUNT(*) FROM sagas WHERE user_id = 'user-010' AND state = 'failed'"); n != 1 {
		t.Errorf("%d failed sagas", n)
	}
	if n := s.count(t, "payment", "SELECT COUNT(*) FROM charges WHERE user_id = 'user-010' AND state = 'charged'"); n != 1 {
		t.Errorf("%d charges stand, only the first order's may", n)
	}
	if a := s.must(t, 10, http.MethodGet, "/orders", ""); strings.Count(a.body, `"charge_id"`) != 1 {
		t.Errorf("orders: %s", a.body)
	}
}

// lostAnswer makes the reservation's commit fail after the order stands: the
// customer keeps the order, and the saga stays open for the recovery.
func lostAnswer(t *testing.T, s *storefront) {
	s.must(t, 11, http.MethodPost, "/cart/items", `{"product_id":"p-004","quantity":1}`)
	lift := s.inject(t, "inventory", `{"kind":"error","code":"UNAVAILABLE","operation":"tenhop.v1.Inventory/Commit"}`)
	a := s.ask(t, 11, http.MethodPost, "/checkout", `{"payment_method":"invoice"}`)
	lift()
	order := placed(t, a)
	if n := s.count(t, "checkout", "SELECT COUNT(*) FROM sagas WHERE order_id = ? AND state = 'started'", order); n != 1 {
		t.Error("the saga is not open")
	}
	if got := s.must(t, 11, http.MethodGet, "/orders", ""); !strings.Contains(got.body, order) {
		t.Errorf("no order %s in %s", order, got.body)
	}
}

func catchUp(t *testing.T, s *storefront) {
	lift := s.inject(t, "shipping", `{"kind":"error","code":"UNAVAILABLE"}`)
	s.must(t, 12, http.MethodPost, "/cart/items", `{"product_id":"p-005","quantity":1}`)
	order := placed(t, s.must(t, 12, http.MethodPost, "/checkout", `{"payment_method":"card"}`))
	lift()
	until(t, "the order is shipped once", func() error {
		if n := s.count(t, "shipping", "SELECT COUNT(*) FROM shipments WHERE order_id = ? AND announced = 1", order); n != 1 {
			return fmt.Errorf("%d shipments", n)
		}
		return nil
	})
}
