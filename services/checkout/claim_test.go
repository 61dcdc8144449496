package checkout

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// mall is all peers of checkout for many customers at once.
type mall struct {
	pb.IdentityClient
	pb.CartClient
	pb.PricingClient
	pb.InventoryClient
	pb.OrderClient

	mu      sync.Mutex
	carts   map[string]map[string]int32 // by user
	claims  map[string]map[string]int32 // by claim
	orders  map[string]*pb.OrderRecord  // by ID
	quote   func(user string) error     // runs while a quote is made; nil for nothing
	reserve error
	stuck   string // ID of an order that cannot be cancelled
}

func newMall() *mall {
	return &mall{carts: map[string]map[string]int32{}, claims: map[string]map[string]int32{}, orders: map[string]*pb.OrderRecord{}}
}

func (m *mall) add(user, product string, quantity int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.carts[user] == nil {
		m.carts[user] = map[string]int32{}
	}
	m.carts[user][product] += quantity
}

func (m *mall) cart(user string) map[string]int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.carts[user])
}

func (m *mall) GetUser(_ context.Context, req *pb.GetUserRequest, _ ...grpc.CallOption) (*pb.User, error) {
	return &pb.User{Id: req.GetUserId(), Tier: "gold", Region: "eu"}, nil
}

func (m *mall) GetCart(_ context.Context, req *pb.GetCartRequest, _ ...grpc.CallOption) (*pb.CartContent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.carts[req.GetUserId()]
	if id := req.GetClaimId(); id != "" {
		m.claims[id] = items
		delete(m.carts, req.GetUserId())
	}
	out := &pb.CartContent{}
	for _, id := range slices.Sorted(maps.Keys(items)) {
		out.Items = append(out.Items, &pb.Item{ProductId: id, Quantity: items[id]})
	}
	return out, nil
}

func (m *mall) EmptyCart(_ context.Context, req *pb.EmptyCartRequest, _ ...grpc.CallOption) (*pb.EmptyCartResponse, error) {
	claimed := func() map[string]int32 {
		m.mu.Lock()
		defer m.mu.Unlock()
		claimed := m.claims[req.GetClaimId()]
		delete(m.claims, req.GetClaimId())
		return claimed
	}()
	if req.GetRestore() {
		for product, quantity := range claimed {
			m.add(req.GetUserId(), product, quantity)
		}
	}
	return &pb.EmptyCartResponse{}, nil
}

func (m *mall) Quote(_ context.Context, req *pb.QuoteRequest, _ ...grpc.CallOption) (*pb.QuoteResponse, error) {
	if m.quote != nil {
		if err := m.quote(req.GetUserId()); err != nil {
			return nil, err
		}
	}
	return &pb.QuoteResponse{Total: 995}, nil
}

func (m *mall) Reserve(context.Context, *pb.ReserveRequest, ...grpc.CallOption) (*pb.ReserveResponse, error) {
	return &pb.ReserveResponse{}, m.reserve
}

func (m *mall) Release(context.Context, *pb.ReleaseRequest, ...grpc.CallOption) (*pb.ReleaseResponse, error) {
	return &pb.ReleaseResponse{}, nil
}

func (m *mall) Commit(context.Context, *pb.CommitRequest, ...grpc.CallOption) (*pb.CommitResponse, error) {
	return &pb.CommitResponse{}, nil
}

func (m *mall) CreateOrder(_ context.Context, req *pb.CreateOrderRequest, _ ...grpc.CallOption) (*pb.OrderRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.orders[req.GetOrderId()] = &pb.OrderRecord{Id: req.GetOrderId(), UserId: req.GetUserId(), Total: req.GetTotal(), Items: req.GetItems()}
	return m.orders[req.GetOrderId()], nil
}

func (m *mall) CancelOrder(_ context.Context, req *pb.CancelOrderRequest, _ ...grpc.CallOption) (*pb.CancelOrderResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if req.GetOrderId() == m.stuck {
		return nil, down
	}
	return &pb.CancelOrderResponse{Placed: m.orders[req.GetOrderId()]}, nil
}

// inMall runs a test with a checkout service on each store.
func inMall(t *testing.T, test func(t *testing.T, m *mall, s *server)) {
	storetest.Each(t, "checkout", func(t *testing.T, e *runtime.Env) {
		store, err := e.OpenStore(t.Context(), migrations)
		if err != nil {
			t.Fatal(err)
		}
		m := newMall()
		test(t, m, &server{store: store, log: e.Telemetry, identity: m, cart: m, pricing: m, inventory: m, order: m})
	})
}

func buy(t *testing.T, s *server, user, key, method string) (*pb.PlaceOrderResponse, error) {
	t.Helper()
	return s.PlaceOrder(t.Context(), &pb.PlaceOrderRequest{UserId: user, PaymentMethod: method, IdempotencyKey: key})
}

// Of checkouts of one cart at once, with different keys, one orders the items.
// What is added meanwhile stays in the cart.
func TestOneCartIsOrderedOnce(t *testing.T) {
	inMall(t, func(t *testing.T, m *mall, s *server) {
		m.add("ada", "p-001", 2)
		others := make(chan struct{})
		m.quote = func(string) error { <-others; return nil }
		answers := make(chan error)
		for i := range 8 {
			go func() {
				_, err := buy(t, s, "ada", string(rune('a'+i)), "card")
				answers <- err
			}()
		}
		for range 7 { // all but the one that waits for its quote
			if err := <-answers; status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "the cart is empty") {
				t.Errorf("one of the others: %v", err)
			}
		}
		m.add("ada", "p-002", 1)
		close(others)
		if err := <-answers; err != nil {
			t.Error(err)
		}
		if len(m.orders) != 1 {
			t.Errorf("%d orders", len(m.orders))
		}
		if got := m.cart("ada"); len(got) != 1 || got["p-002"] != 1 {
			t.Errorf("the cart holds %v", got)
		}
	})
}

// A checkout that fails puts the items back, beside what was added meanwhile.
func TestAFailedCheckoutPutsTheItemsBack(t *testing.T) {
	for _, c := range []struct {
		why   string
		fail  func(m *mall)
		again codes.Code // of the same key, once the peers are well again
	}{
		{"before anything was reserved", func(m *mall) {
			m.quote = func(string) error { m.add("ada", "p-001", 1); return down }
		}, codes.OK},
		{"out of stock", func(m *mall) {
			m.quote = func(string) error { m.add("ada", "p-001", 1); return nil }
			m.reserve = status.Error(codes.FailedPrecondition, "not enough")
		}, codes.Aborted},
	} {
		t.Run(c.why, func(t *testing.T) {
			inMall(t, func(t *testing.T, m *mall, s *server) {
				m.add("ada", "p-001", 2)
				c.fail(m)
				if _, err := buy(t, s, "ada", "k", "card"); err == nil {
					t.Fatal("it did not fail")
				}
				if got := m.cart("ada"); got["p-001"] != 3 {
					t.Errorf("the cart holds %v", got)
				}
				m.quote, m.reserve = nil, nil
				if _, err := buy(t, s, "ada", "k", "card"); status.Code(err) != c.again {
					t.Errorf("the same key again: %v, want %v", err, c.again)
				}
			})
		})
	}
}

// A process that dies with a claimed cart leaves a saga, which the recovery
// takes back.
func TestTheRecoveryPutsTheItemsBack(t *testing.T) {
	inMall(t, func(t *testing.T, m *mall, s *server) {
		m.add("ada", "p-001", 2)
		req := &pb.PlaceOrderRequest{UserId: "ada", PaymentMethod: "card"}
		if err := s.begin(t.Context(), "o-1", "k", req); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := s.claim(t.Context(), "o-1", req); err != nil {
			t.Fatal(err)
		}
		if got := m.cart("ada"); len(got) != 0 {
			t.Fatalf("the cart holds %v, though it is claimed", got)
		}
		if err := s.recoverOnce(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if got := m.cart("ada"); got["p-001"] != 2 || state(t, s) != failed {
			t.Errorf("the cart holds %v, the saga is %s", got, state(t, s))
		}
	})
}

// A saga that cannot be taken back does not hold up the others.
func TestAStuckSagaIsAlone(t *testing.T) {
	inMall(t, func(t *testing.T, m *mall, s *server) {
		m.stuck = "o-1"
		for user, id := range map[string]string{"ada": "o-1", "grace": "o-2", "edsger": "o-0"} {
			m.add(user, "p-001", 2)
			req := &pb.PlaceOrderRequest{UserId: user, PaymentMethod: "card"}
			if err := s.begin(t.Context(), id, "k", req); err != nil {
				t.Fatal(err)
			}
			if _, _, _, err := s.claim(t.Context(), id, req); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.recoverOnce(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "o-1") {
			t.Errorf("the recovery says %v", err)
		}
		for _, user := range []string{"grace", "edsger"} {
			if got := m.cart(user); got["p-001"] != 2 {
				t.Errorf("the cart of %s holds %v", user, got)
			}
		}
	})
}

// A key belongs to its user: somebody else's does not lock it.
func TestKeysBelongToUsers(t *testing.T) {
	inMall(t, func(t *testing.T, m *mall, s *server) {
		m.add("ada", "p-001", 1)
		m.add("grace", "p-002", 1)
		first, err := buy(t, s, "ada", "1", "card")
		if err != nil {
			t.Fatal(err)
		}
		second, err := buy(t, s, "grace", "1", "card")
		if err != nil || second.GetOrderId() == first.GetOrderId() {
			t.Errorf("%v, %v; the first order is %s", second, err, first.GetOrderId())
		}
	})
}

// The same key again is the same request, or an error that says what differs.
func TestAKeyOrdersOneThing(t *testing.T) {
	inMall(t, func(t *testing.T, m *mall, s *server) {
		m.add("ada", "p-001", 1)
		first, err := buy(t, s, "ada", "k", "card")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := buy(t, s, "ada", "k", "card"); err != nil || again.GetOrderId() != first.GetOrderId() {
			t.Errorf("the same request: %v, %v", again, err)
		}
		if _, err := buy(t, s, "ada", "k", "invoice"); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "another payment method") {
			t.Errorf("another payment method: %v", err)
		}
		m.add("ada", "p-002", 1)
		if _, err := buy(t, s, "ada", "k", "card"); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), first.GetOrderId()) {
			t.Errorf("other items: %v", err)
		}
		if got := m.cart("ada"); got["p-002"] != 1 || len(m.orders) != 1 {
			t.Errorf("the cart holds %v; %d orders", got, len(m.orders))
		}
	})
}

// The sagas of a store that has keys for all users together stay.
func TestKeysPerUserKeepTheSagas(t *testing.T) {
	storetest.Each(t, "checkout", func(t *testing.T, e *runtime.Env) {
		first, err := migrations.ReadFile("migrations/00001_sagas.sql")
		if err != nil {
			t.Fatal(err)
		}
		old, err := e.OpenStore(t.Context(), fstest.MapFS{"migrations/00001_sagas.sql": {Data: first}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := old.Exec(t.Context(), `INSERT INTO sagas (order_id, user_id, idempotency_key, state, result, updated_unix_ms)
			VALUES ('o-1', 'ada', 'k', 'done', '{"order_id":"o-1"}', 1)`); err != nil {
			t.Fatal(err)
		}
		store, err := e.OpenStore(t.Context(), migrations)
		if err != nil {
			t.Fatal(err)
		}
		m := newMall()
		m.add("ada", "p-001", 1)
		s := &server{store: store, log: e.Telemetry, identity: m, cart: m, pricing: m, inventory: m, order: m}
		if resp, err := buy(t, s, "ada", "k", "card"); err != nil || resp.GetOrderId() != "o-1" {
			t.Errorf("%v, %v", resp, err)
		}
	})
}
