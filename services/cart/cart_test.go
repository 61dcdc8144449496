package cart

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// shelf has every product but p-none.
type shelf struct{ pb.CatalogClient }

func (shelf) GetProduct(_ context.Context, req *pb.GetProductRequest, _ ...grpc.CallOption) (*pb.Product, error) {
	if req.GetProductId() == "p-none" {
		return nil, status.Error(codes.NotFound, "no product")
	}
	return &pb.Product{Id: req.GetProductId()}, nil
}

func TestCart(t *testing.T) { storetest.EachRedis(t, testCart) }

func testCart(t *testing.T, addr string) {
	client := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
	defer client.Close()
	s, ctx := &server{redis: client, catalog: shelf{}}, t.Context()
	add := func(user, product string, quantity int32) error {
		_, err := s.AddItem(ctx, &pb.AddItemRequest{UserId: user, ProductId: product, Quantity: quantity})
		return err
	}
	for _, c := range []struct {
		why, product string
		quantity     int32
		want         codes.Code
	}{
		{"one", "p-002", 1, codes.OK},
		{"another of the same", "p-002", 2, codes.OK},
		{"and something else", "p-001", 1, codes.OK},
		{"nothing of something", "p-001", 0, codes.InvalidArgument},
		{"too much of something", "p-001", maxQuantity + 1, codes.InvalidArgument},
		{"what is not sold", "p-none", 1, codes.NotFound},
	} {
		if err := add("ada", c.product, c.quantity); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", c.why, err, c.want)
		}
	}
	content, err := s.GetCart(ctx, &pb.GetCartRequest{UserId: "ada"})
	if err != nil || fmt.Sprint(content.GetItems()) != fmt.Sprint([]*pb.Item{{ProductId: "p-001", Quantity: 1}, {ProductId: "p-002", Quantity: 3}}) {
		t.Errorf("%v %v", content, err)
	}
	if other, err := s.GetCart(ctx, &pb.GetCartRequest{UserId: "grace"}); err != nil || len(other.GetItems()) != 0 {
		t.Errorf("somebody else's cart: %v %v", other, err)
	}
	for i := range maxItems {
		if err := add("full", fmt.Sprint("p-", i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := add("full", "p-more", 1); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a full cart: %v", err)
	}
	if _, err := s.EmptyCart(ctx, &pb.EmptyCartRequest{UserId: "ada"}); err != nil || client.Exists(ctx, key("ada")).Val() != 0 {
		t.Errorf("not emptied: %v", err)
	}
	if left, err := client.TTL(ctx, key("full")).Result(); err != nil || left <= 0 || left > keepFor {
		t.Errorf("an abandoned cart stays for %v (%v), want at most %v", left, err, keepFor)
	}
	client.Close()
	if err := add("ada", "p-001", 1); status.Code(err) != codes.Unavailable {
		t.Errorf("without a store: %v", err)
	}
}
