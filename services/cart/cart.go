// Package cart stores the users' carts in Redis. A checkout claims the items of a cart,
// so no other checkout orders them. Items that are added meanwhile stay in the cart.
package cart

import (
	"context"
	"sort"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/faults"
	"github.com/tenhop/tenhop/services/runtime"
)

// Limits of a cart.
const (
	maxItems    = 50
	maxQuantity = 99
	keepFor     = 24 * time.Hour
)

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{
		Name: "cart",
		Operations: []string{"tenhop.v1.Cart/GetCart", "tenhop.v1.Cart/AddItem",
			"tenhop.v1.Cart/RemoveItem", "tenhop.v1.Cart/EmptyCart"},
		Kinds: []chaos.Implementation{faults.CacheLoss, faults.RetryStorm},
		Build: build,
	}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	// go-redis would log plain text for each connection attempt. The errors that it
	// returns are logged by the service.
	redis.SetLogger(&logging.VoidLogger{})
	client := redis.NewClient(&redis.Options{Addr: e.Redis, Dialer: e.RedisDialer("carts"), DisableIdentity: true,
		MaxRetries: -1}) // callers retry, within a budget
	if err := client.Ping(ctx).Err(); err != nil {
		client.Close()
		return runtime.Service{}, err
	}
	if err := e.InstrumentRedis(client, "carts"); err != nil {
		client.Close()
		return runtime.Service{}, err
	}
	e.OnClose(client.Close)
	// Readiness has a client of its own, so that its pings are not measured.
	probe := redis.NewClient(&redis.Options{Addr: e.Redis, PoolSize: 1, DisableIdentity: true})
	e.OnClose(probe.Close)
	e.AddCheck("redis", func(ctx context.Context) error { return probe.Ping(ctx).Err() })
	conn, err := e.Dial("catalog")
	if err != nil {
		return runtime.Service{}, err
	}
	s := &server{redis: client, probe: probe, chaos: e.Chaos, catalog: pb.NewCatalogClient(conn)}
	return runtime.Service{GRPC: func(r grpc.ServiceRegistrar) { pb.RegisterCartServer(r, s) }}, nil
}

type server struct {
	pb.UnimplementedCartServer
	redis   *redis.Client
	probe   *redis.Client // not measured
	chaos   *chaos.Injector
	catalog pb.CatalogClient
}

func key(user string) string { return "cart:" + user }

func (s *server) GetCart(ctx context.Context, req *pb.GetCartRequest) (*pb.CartContent, error) {
	if _, on := s.chaos.On(ctx, faults.CacheLoss.Name); on {
		_ = s.probe.Del(ctx, key(req.GetUserId())).Err() // the cart is read in any case
	}
	if req.GetClaimId() != "" {
		return s.claim(ctx, req.GetUserId(), req.GetClaimId())
	}
	return s.content(ctx, req.GetUserId())
}

func (s *server) AddItem(ctx context.Context, req *pb.AddItemRequest) (*pb.CartContent, error) {
	if q := req.GetQuantity(); q < 1 || q > maxQuantity {
		return nil, status.Errorf(codes.InvalidArgument, "quantity %d is not between 1 and %d", q, maxQuantity)
	}
	if _, err := s.catalog.GetProduct(ctx, &pb.GetProductRequest{ProductId: req.GetProductId()}); err != nil {
		return nil, err // code and text of the catalog: no such product
	}
	n, err := s.redis.HLen(ctx, key(req.GetUserId())).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	if n >= maxItems {
		return nil, status.Errorf(codes.FailedPrecondition, "a cart holds at most %d products", maxItems)
	}
	pipe := s.redis.TxPipeline()
	pipe.HIncrBy(ctx, key(req.GetUserId()), req.GetProductId(), int64(req.GetQuantity()))
	pipe.Expire(ctx, key(req.GetUserId()), keepFor)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, unavailable(err)
	}
	return s.content(ctx, req.GetUserId())
}

func (s *server) RemoveItem(ctx context.Context, req *pb.RemoveItemRequest) (*pb.CartContent, error) {
	if err := s.redis.HDel(ctx, key(req.GetUserId()), req.GetProductId()).Err(); err != nil {
		return nil, unavailable(err)
	}
	return s.content(ctx, req.GetUserId())
}

func (s *server) EmptyCart(ctx context.Context, req *pb.EmptyCartRequest) (*pb.EmptyCartResponse, error) {
	if req.GetClaimId() != "" {
		return &pb.EmptyCartResponse{}, s.endClaim(ctx, req.GetUserId(), req.GetClaimId(), req.GetRestore())
	}
	if err := s.redis.Del(ctx, key(req.GetUserId())).Err(); err != nil {
		return nil, unavailable(err)
	}
	return &pb.EmptyCartResponse{}, nil
}

func (s *server) content(ctx context.Context, user string) (*pb.CartContent, error) {
	all, err := s.redis.HGetAll(ctx, key(user)).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	return contentOf(ctx, all), nil
}

// contentOf returns the items of a hash from product to quantity.
func contentOf(ctx context.Context, all map[string]string) *pb.CartContent {
	out := &pb.CartContent{}
	for id, quantity := range all {
		n, err := strconv.ParseInt(quantity, 10, 32)
		if err != nil || n < 1 {
			continue
		}
		out.Items = append(out.Items, &pb.Item{ProductId: id, Quantity: int32(min(n, maxQuantity))})
	}
	sort.Slice(out.Items, func(i, j int) bool { return out.Items[i].ProductId < out.Items[j].ProductId })
	hop.SetAttributes(ctx, attribute.Int("cart.items", len(out.Items)))
	return out
}

func unavailable(err error) error { return status.Error(codes.Unavailable, "cart store: "+err.Error()) }
