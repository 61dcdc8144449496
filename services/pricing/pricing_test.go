package pricing

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/services/contracts"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// shelf sells p-001 for 1000 and p-002 for 500.
type shelf struct{ pb.CatalogClient }

func (shelf) GetProducts(_ context.Context, req *pb.GetProductsRequest, _ ...grpc.CallOption) (*pb.Products, error) {
	prices := map[string]int64{"p-001": 1000, "p-002": 500}
	out := &pb.Products{}
	for _, id := range req.GetProductIds() {
		if price, ok := prices[id]; ok {
			out.Products = append(out.Products, &pb.Product{Id: id, Price: price})
		}
	}
	return out, nil
}

func TestQuote(t *testing.T) {
	storetest.Each(t, "pricing", func(t *testing.T, e *runtime.Env) {
		points, broken := int64(0), false
		loyalty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if broken {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(contracts.LoyaltyAccount{Points: points})
		}))
		t.Cleanup(loyalty.Close)
		store, err := e.OpenStore(t.Context(), migrations)
		if err != nil {
			t.Fatal(err)
		}
		s := &server{store: store, catalog: shelf{}, loyalty: func() string { return loyalty.URL }, client: loyalty.Client()}
		cart := []*pb.Item{{ProductId: "p-001", Quantity: 1}, {ProductId: "p-002", Quantity: 2}} // 2000
		for _, c := range []struct {
			why          string
			tier, region string
			points       int64
			items        []*pb.Item
			total        int64
			code         codes.Code
		}{
			{"tax alone", "standard", "eu", 0, cart, 2400, codes.OK},
			{"a tier's discount comes before tax", "gold", "us", 0, cart, 2008, codes.OK},
			{"points on top", "gold", "us", 250, cart, 1965, codes.OK},
			{"points have a limit", "standard", "apac", 1 << 40, cart, 2090, codes.OK},
			{"nothing to price", "standard", "eu", 0, nil, 0, codes.InvalidArgument},
			{"a product that is gone", "standard", "eu", 0, []*pb.Item{{ProductId: "p-9", Quantity: 1}}, 0, codes.FailedPrecondition},
			{"a tier without a rule", "platinum", "eu", 0, cart, 0, codes.FailedPrecondition},
		} {
			points = c.points
			q, err := s.Quote(t.Context(), &pb.QuoteRequest{UserId: "u", Tier: c.tier, Region: c.region, Items: c.items})
			if status.Code(err) != c.code || q.GetTotal() != c.total {
				t.Errorf("%s: %v %v, want %d", c.why, q, err, c.total)
			}
		}
		broken = true
		if _, err := s.Quote(t.Context(), &pb.QuoteRequest{UserId: "u", Tier: "gold", Region: "eu", Items: cart}); status.Code(err) != codes.Unavailable {
			t.Errorf("loyalty fails: %v", err)
		}
	})
}
