package checkout

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// shop is all peers of checkout at once; a field makes a call of theirs fail.
type shop struct {
	pb.IdentityClient
	pb.CartClient
	pb.PricingClient
	pb.InventoryClient
	pb.OrderClient

	reserve, create, cancel, release error

	placed                  *pb.OrderRecord // what order knows
	answerLost              bool
	sold, released, emptied int
}

func (s *shop) GetUser(_ context.Context, req *pb.GetUserRequest, _ ...grpc.CallOption) (*pb.User, error) {
	return &pb.User{Id: req.GetUserId(), Tier: "gold", Region: "eu"}, nil
}

func (s *shop) GetCart(context.Context, *pb.GetCartRequest, ...grpc.CallOption) (*pb.CartContent, error) {
	return &pb.CartContent{Items: []*pb.Item{{ProductId: "p-001", Quantity: 1}}}, nil
}

func (s *shop) EmptyCart(context.Context, *pb.EmptyCartRequest, ...grpc.CallOption) (*pb.EmptyCartResponse, error) {
	s.emptied++
	return &pb.EmptyCartResponse{}, nil
}

func (s *shop) Quote(context.Context, *pb.QuoteRequest, ...grpc.CallOption) (*pb.QuoteResponse, error) {
	return &pb.QuoteResponse{Total: 995}, nil
}

func (s *shop) Reserve(context.Context, *pb.ReserveRequest, ...grpc.CallOption) (*pb.ReserveResponse, error) {
	return &pb.ReserveResponse{}, s.reserve
}

func (s *shop) Release(context.Context, *pb.ReleaseRequest, ...grpc.CallOption) (*pb.ReleaseResponse, error) {
	if s.release != nil {
		return nil, s.release
	}
	s.released++
	return &pb.ReleaseResponse{}, nil
}

func (s *shop) Commit(context.Context, *pb.CommitRequest, ...grpc.CallOption) (*pb.CommitResponse, error) {
	s.sold++
	return &pb.CommitResponse{}, nil
}

func (s *shop) CreateOrder(_ context.Context, req *pb.CreateOrderRequest, _ ...grpc.CallOption) (*pb.OrderRecord, error) {
	if s.create != nil {
		return nil, s.create
	}
	s.placed = &pb.OrderRecord{Id: req.GetOrderId(), Total: req.GetTotal(), ChargeId: "c"}
	if s.answerLost {
		return nil, status.Error(codes.DeadlineExceeded, "too late")
	}
	return s.placed, nil
}

func (s *shop) CancelOrder(context.Context, *pb.CancelOrderRequest, ...grpc.CallOption) (*pb.CancelOrderResponse, error) {
	if s.cancel != nil {
		return nil, s.cancel
	}
	return &pb.CancelOrderResponse{Placed: s.placed}, nil
}

var down = status.Error(codes.Unavailable, "down")

// TestSaga takes a checkout through each way in which a step can fail.
func TestSaga(t *testing.T) {
	for _, c := range []struct {
		why           string
		shop          shop
		want          codes.Code
		state         string
		sold, undone  int
		afterRecovery string
	}{
		{why: "all is well", state: done, sold: 1, afterRecovery: done},
		{why: "out of stock", shop: shop{reserve: status.Error(codes.FailedPrecondition, "not enough")},
			want: codes.FailedPrecondition, state: failed, undone: 1, afterRecovery: failed},
		{why: "the charge is refused", shop: shop{create: status.Error(codes.PermissionDenied, "refused")},
			want: codes.PermissionDenied, state: failed, undone: 1, afterRecovery: failed},
		{why: "the order was placed and the answer lost", shop: shop{answerLost: true},
			state: done, sold: 1, afterRecovery: done},
		{why: "order is down, and stays so for the settling", shop: shop{create: down, cancel: down},
			want: codes.Unavailable, state: started, afterRecovery: failed},
		{why: "inventory is down when the stock should go back", shop: shop{create: down, release: down},
			want: codes.Unavailable, state: started, afterRecovery: failed},
		{why: "the order was placed, and order is down when asked", shop: shop{answerLost: true, cancel: down},
			want: codes.DeadlineExceeded, state: started, afterRecovery: done},
	} {
		t.Run(c.why, func(t *testing.T) {
			storetest.Each(t, "checkout", func(t *testing.T, e *runtime.Env) {
				store, err := e.OpenStore(t.Context(), migrations)
				if err != nil {
					t.Fatal(err)
				}
				peers := c.shop
				s := &server{store: store, log: e.Telemetry, identity: &peers, cart: &peers, pricing: &peers, inventory: &peers, order: &peers}
				resp, err := s.PlaceOrder(t.Context(), &pb.PlaceOrderRequest{UserId: "user-001", PaymentMethod: "card", IdempotencyKey: "k"})
				if status.Code(err) != c.want || (err == nil) != (resp.GetOrderId() != "") {
					t.Fatalf("%v %v, want %v", resp, err, c.want)
				}
				if got := state(t, s); got != c.state || peers.sold != c.sold || peers.released != c.undone {
					t.Errorf("%s, sold %d, released %d; want %s, %d, %d", got, peers.sold, peers.released, c.state, c.sold, c.undone)
				}
				peers.create, peers.cancel, peers.release = nil, nil, nil
				if err := s.recoverOnce(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
				if got := state(t, s); got != c.afterRecovery {
					t.Errorf("%s after recovery, want %s", got, c.afterRecovery)
				}
				again, err := s.PlaceOrder(t.Context(), &pb.PlaceOrderRequest{UserId: "user-001", PaymentMethod: "card", IdempotencyKey: "k"})
				if c.afterRecovery == done && (err != nil || again.GetOrderId() != peers.placed.GetId()) {
					t.Errorf("the same key answers %v %v", again, err)
				}
				if c.afterRecovery == failed && status.Code(err) != codes.Aborted {
					t.Errorf("the same key of a failed checkout: %v", err)
				}
			})
		})
	}
}

func state(t *testing.T, s *server) string {
	t.Helper()
	var got string
	if err := s.store.QueryRow(t.Context(), "SELECT state FROM sagas").Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}
