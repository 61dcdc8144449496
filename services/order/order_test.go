package order

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/services/contracts"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// cashier is a payment service that remembers what it refunded.
type cashier struct {
	pb.PaymentClient
	refuse    error
	charges   int
	refunded  []string
	meanwhile func()
}

func (c *cashier) Charge(_ context.Context, req *pb.ChargeRequest, _ ...grpc.CallOption) (*pb.ChargeResponse, error) {
	c.charges++
	if c.meanwhile != nil {
		c.meanwhile()
	}
	if c.refuse != nil {
		return nil, c.refuse
	}
	return &pb.ChargeResponse{ChargeId: "charge of " + req.GetIdempotencyKey()}, nil
}

func (c *cashier) Refund(_ context.Context, req *pb.RefundRequest, _ ...grpc.CallOption) (*pb.RefundResponse, error) {
	c.refunded = append(c.refunded, req.GetIdempotencyKey())
	return &pb.RefundResponse{}, nil
}

func open(t *testing.T, e *runtime.Env) (*server, *cashier) {
	t.Helper()
	store, err := e.OpenStore(t.Context(), migrations)
	if err != nil {
		t.Fatal(err)
	}
	c := &cashier{}
	return &server{store: store, payment: c, committed: func() {}}, c
}

func create(id string) *pb.CreateOrderRequest {
	return &pb.CreateOrderRequest{OrderId: id, UserId: "user-001", Region: "eu", Tier: "gold", PaymentMethod: "card",
		Total: 995, Items: []*pb.Item{{ProductId: "p-001", Quantity: 1}}}
}

func (s *server) outbox(t *testing.T) int {
	t.Helper()
	var n int
	if err := s.store.QueryRow(t.Context(), "SELECT COUNT(*) FROM outbox").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnOrderAndItsEventAreOne(t *testing.T) {
	storetest.Each(t, "order", func(t *testing.T, e *runtime.Env) {
		s, _ := open(t, e)
		once, err := s.CreateOrder(t.Context(), create("o1"))
		if err != nil || once.GetChargeId() != "charge of o1" {
			t.Fatalf("%v %v", once, err)
		}
		time.Sleep(2 * time.Millisecond) // another clock value, were it taken
		again, err := s.CreateOrder(t.Context(), create("o1"))
		if err != nil || !proto.Equal(once, again) {
			t.Errorf("a repeated request is answered with %v (%v), the first was %v", again, err, once)
		}
		if n := s.outbox(t); n != 1 {
			t.Errorf("%d events", n)
		}
		list, err := s.ListOrders(t.Context(), &pb.ListOrdersRequest{UserId: "user-001"})
		if err != nil || len(list.GetOrders()) != 1 || list.GetOrders()[0].GetItems()[0].GetProductId() != "p-001" {
			t.Errorf("%v %v", list, err)
		}
		// An event that cannot be written takes its order with it.
		if _, err := s.store.Exec(t.Context(), "DROP TABLE outbox"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.CreateOrder(t.Context(), create("o2")); err == nil {
			t.Fatal("an order without an event")
		}
		got, err := s.CancelOrder(t.Context(), &pb.CancelOrderRequest{OrderId: "o2"})
		if err != nil || got.GetPlaced() != nil {
			t.Errorf("o2 stands: %v %v", got, err)
		}
	})
}

func TestCancelOrder(t *testing.T) {
	storetest.Each(t, "order", func(t *testing.T, e *runtime.Env) {
		s, c := open(t, e)
		ctx := t.Context()
		cancel := func(id string) *pb.OrderRecord {
			t.Helper()
			resp, err := s.CancelOrder(ctx, &pb.CancelOrderRequest{OrderId: id})
			if err != nil {
				t.Fatal(err)
			}
			return resp.GetPlaced()
		}
		if _, err := s.CreateOrder(ctx, create("stands")); err != nil {
			t.Fatal(err)
		}
		if o := cancel("stands"); o.GetTotal() != 995 || len(c.refunded) != 0 {
			t.Errorf("a placed order: %v, refunds %v", o, c.refunded)
		}
		// It is cancelled while its charge is on the way.
		c.meanwhile = func() { cancel("races") }
		if _, err := s.CreateOrder(ctx, create("races")); status.Code(err) != codes.Aborted {
			t.Errorf("a cancelled order was placed: %v", err)
		}
		if len(c.refunded) != 1 || c.refunded[0] != "races" {
			t.Errorf("refunds %v", c.refunded)
		}
		if n := s.outbox(t); n != 1 {
			t.Errorf("%d events, one order stands", n)
		}
		list, err := s.ListOrders(ctx, &pb.ListOrdersRequest{UserId: ""})
		if err != nil || len(list.GetOrders()) != 0 {
			t.Errorf("cancelled orders are listed: %v %v", list, err)
		}
	})
}

func TestARefusedChargeIsNoOrder(t *testing.T) {
	storetest.Each(t, "order", func(t *testing.T, e *runtime.Env) {
		s, c := open(t, e)
		c.refuse = status.Error(codes.PermissionDenied, "charge refused")
		if _, err := s.CreateOrder(t.Context(), create("o")); status.Code(err) != codes.PermissionDenied {
			t.Errorf("%v", err)
		}
		if _, err := s.CreateOrder(t.Context(), &pb.CreateOrderRequest{OrderId: "o"}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("without items: %v", err)
		}
		if c.charges != 1 || s.outbox(t) != 0 {
			t.Errorf("%d charges, %d events", c.charges, s.outbox(t))
		}
	})
}

// TestTheRelayContinuesTheRequest publishes what a request left, long after it
// is over, and finds the request's trace and correlation ID on the record.
func TestTheRelayContinuesTheRequest(t *testing.T) {
	storetest.EachBroker(t, func(t *testing.T, b storetest.Broker) { relays(t, b) })
}

func relays(t *testing.T, b storetest.Broker) {
	storetest.Each(t, "order", func(t *testing.T, e *runtime.Env) {
		b.Configure(&e.Config)
		tap := b.Tap(t, contracts.TopicOrdersPlaced)
		s, _ := open(t, e)
		events, err := e.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		ctx := hop.Restore(t.Context(), map[string]string{"traceparent": parent, "x-correlation-id": "long-ago"})
		id := uuid.NewString() // the real broker keeps earlier tests' records
		if _, err := s.CreateOrder(ctx, create(id)); err != nil {
			t.Fatal(err)
		}
		r := &relay{store: s.store, events: events, telemetry: e.Telemetry, wake: make(chan struct{}, 1)}
		if err := r.publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := s.outbox(t); n != 0 {
			t.Errorf("%d rows stay", n)
		}
		headers := tap.Find(func(m storetest.Message) bool { return m.Key == id }).Headers
		if got := headers["traceparent"]; len(got) < 35 || got[:35] != parent[:35] {
			t.Errorf("traceparent %q is not of the trace of %q", got, parent)
		}
		correlation := headers["X-Correlation-ID"]
		if correlation == "" {
			correlation = headers["x-correlation-id"]
		}
		if correlation != "long-ago" {
			t.Errorf("headers %v", headers)
		}
	})
}

// An event that the broker will never take stands aside, is kept, and holds up
// nobody.
func TestARefusedEventHoldsUpNobody(t *testing.T) {
	storetest.EachBroker(t, func(t *testing.T, b storetest.Broker) { refuses(t, b) })
}

func refuses(t *testing.T, b storetest.Broker) {
	storetest.Each(t, "order", func(t *testing.T, e *runtime.Env) {
		b.Configure(&e.Config)
		tap := b.Tap(t, contracts.TopicOrdersPlaced)
		s, _ := open(t, e)
		events, err := e.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		id := uuid.NewString()
		huge := create("huge " + id)
		huge.Items[0].ProductId = strings.Repeat("x", 2<<20) // the client's limit is 1 MB
		for _, req := range []*pb.CreateOrderRequest{huge, create(id)} {
			if _, err := s.CreateOrder(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		r := &relay{store: s.store, events: events, telemetry: e.Telemetry, wake: make(chan struct{}, 1)}
		if err := r.publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		tap.Find(func(m storetest.Message) bool { return m.Key == id })
		var why string
		if err := s.store.QueryRow(t.Context(), "SELECT refused FROM outbox").Scan(&why); err != nil || why == "" {
			t.Errorf("the refused row: %q, %v", why, err)
		}
	})
}

// Two instances share the backlog: each event is sent once.
func TestTwoRelaysSendEachEventOnce(t *testing.T) {
	storetest.EachBroker(t, func(t *testing.T, b storetest.Broker) { shares(t, b) })
}

func shares(t *testing.T, b storetest.Broker) {
	storetest.Each(t, "order", func(t *testing.T, e *runtime.Env) {
		b.Configure(&e.Config)
		tap := b.Tap(t, contracts.TopicOrdersPlaced)
		s, _ := open(t, e)
		events, err := e.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		const backlog = 40
		run := uuid.NewString()
		for i := range backlog {
			if _, err := s.CreateOrder(t.Context(), create(fmt.Sprintf("%s %d", run, i))); err != nil {
				t.Fatal(err)
			}
		}
		var relays errgroup.Group
		for range 2 {
			r := &relay{store: s.store, events: events, telemetry: e.Telemetry, wake: make(chan struct{}, 1)}
			relays.Go(func() error { return r.publish(t.Context()) })
		}
		if err := relays.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := s.outbox(t); n != 0 {
			t.Errorf("%d rows stay", n)
		}
		if n := records(t, tap, run, backlog); n != backlog {
			t.Errorf("%d records of %d events", n, backlog)
		}
	})
}

// records counts the records whose key begins with prefix: until as many keys
// as there are events were seen, and a little longer for those sent twice.
func records(t *testing.T, tap *storetest.Tap, prefix string, events int) (n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := map[string]bool{}
	for {
		m, err := tap.Next(ctx)
		if err != nil {
			return n
		}
		if strings.HasPrefix(m.Key, prefix) {
			n++
			seen[m.Key] = true
		}
		if len(seen) == events {
			var late context.CancelFunc
			ctx, late = context.WithTimeout(ctx, 300*time.Millisecond)
			defer late()
			events = -1
		}
	}
}
