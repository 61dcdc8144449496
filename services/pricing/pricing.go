// Package pricing quotes a cart for a customer.
package pricing

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/services/contracts"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/faults"
	"github.com/tenhop/tenhop/services/runtime"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{
		Name:       "pricing",
		Operations: []string{"tenhop.v1.Pricing/Quote"},
		Fields: func(_ context.Context, _ string, req any) map[string]string {
			if r, ok := req.(*pb.QuoteRequest); ok {
				return map[string]string{"customer.tier": r.GetTier(), "region": r.GetRegion()}
			}
			return nil
		},
		Kinds: []chaos.Implementation{faults.NPlusOne(), faults.RetryStorm},
		Build: build,
	}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		return runtime.Service{}, err
	}
	conn, err := e.Dial("catalog")
	if err != nil {
		return runtime.Service{}, err
	}
	s := &server{
		store:   store,
		chaos:   e.Chaos,
		catalog: pb.NewCatalogClient(conn),
		loyalty: e.BaseURL("loyalty"),
		// loyalty propagates uber-trace-id; see its package.
		client: e.HTTPClient("loyalty", httpmw.WithJaegerPropagation()),
	}
	return runtime.Service{GRPC: func(r grpc.ServiceRegistrar) { pb.RegisterPricingServer(r, s) }}, nil
}

type server struct {
	pb.UnimplementedPricingServer
	store   *runtime.Store
	chaos   *chaos.Injector
	catalog pb.CatalogClient
	loyalty func() string
	client  *http.Client
}

func (s *server) Quote(ctx context.Context, req *pb.QuoteRequest) (*pb.QuoteResponse, error) {
	hop.SetAttributes(ctx, attribute.String("customer.tier", req.GetTier()), attribute.String("region", req.GetRegion()),
		attribute.Int("cart.items", len(req.GetItems())))
	if len(req.GetItems()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "an empty cart has no price")
	}
	if f, on := s.chaos.On(ctx, faults.NPlusOneName); on {
		return s.quoteUnits(ctx, req, faults.Times(f))
	}
	return s.quote(ctx, req)
}

// quoteUnits quotes each unit of the cart on its own, so many times, of which the first counts.
func (s *server) quoteUnits(ctx context.Context, req *pb.QuoteRequest, times int) (*pb.QuoteResponse, error) {
	var sum pb.QuoteResponse
	for _, it := range req.GetItems() {
		for i := range int(it.GetQuantity()) * times {
			q, err := s.quote(ctx, &pb.QuoteRequest{UserId: req.GetUserId(), Tier: req.GetTier(), Region: req.GetRegion(),
				Items: []*pb.Item{{ProductId: it.GetProductId(), Quantity: 1}}})
			if err != nil {
				return nil, err
			}
			if i%times > 0 {
				continue
			}
			sum.Subtotal += q.GetSubtotal()
			sum.Discount += q.GetDiscount()
			sum.Tax += q.GetTax()
			sum.Total += q.GetTotal()
			sum.Points = q.GetPoints()
		}
	}
	return &sum, nil
}

func (s *server) quote(ctx context.Context, req *pb.QuoteRequest) (*pb.QuoteResponse, error) {
	ids := make([]string, len(req.GetItems()))
	quantity := map[string]int64{}
	for i, it := range req.GetItems() {
		ids[i] = it.GetProductId()
		quantity[it.GetProductId()] = int64(it.GetQuantity())
	}
	products, err := s.catalog.GetProducts(ctx, &pb.GetProductsRequest{ProductIds: ids})
	if err != nil {
		return nil, err
	}
	if len(products.GetProducts()) != len(quantity) {
		return nil, status.Error(codes.FailedPrecondition, "the cart holds a product that is no longer sold")
	}
	var q pb.QuoteResponse
	for _, p := range products.GetProducts() {
		q.Subtotal += p.GetPrice() * quantity[p.GetId()]
	}
	var discount, tax int64
	err = s.store.QueryRow(ctx, "SELECT discount_percent, tax_percent FROM price_rules WHERE tier = ? AND region = ?",
		req.GetTier(), req.GetRegion()).Scan(&discount, &tax)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, status.Errorf(codes.FailedPrecondition, "no price rule for tier %q in region %q", req.GetTier(), req.GetRegion())
	}
	if err != nil {
		return nil, err
	}
	if q.Points, err = s.points(ctx, req.GetUserId()); err != nil {
		return nil, status.Error(codes.Unavailable, "loyalty: "+err.Error())
	}
	// Every hundred points give one percent, at most five.
	q.Discount = q.Subtotal * (discount + min(q.Points/100, 5)) / 100
	q.Tax = (q.Subtotal - q.Discount) * tax / 100
	q.Total = q.Subtotal - q.Discount + q.Tax
	return &q, nil
}

func (s *server) points(ctx context.Context, user string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.loyalty()+"/points/"+url.PathEscape(user), nil)
	if err != nil {
		return 0, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", resp.StatusCode)
	}
	var a contracts.LoyaltyAccount
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&a); err != nil {
		return 0, fmt.Errorf("answer: %w", err)
	}
	return a.Points, nil
}
