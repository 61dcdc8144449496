// Package checkout turns a cart into a paid order: a saga over identity, cart,
// pricing, inventory and order that leaves nothing behind when a step fails.
package checkout

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/hop"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{
		Name:       "checkout",
		Operations: []string{"tenhop.v1.Checkout/PlaceOrder"},
		Fields: func(_ context.Context, _ string, req any) map[string]string {
			if r, ok := req.(*pb.PlaceOrderRequest); ok {
				return map[string]string{"payment.method": r.GetPaymentMethod()}
			}
			return nil
		},
		Build: build,
	}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		return runtime.Service{}, err
	}
	conns := map[string]*grpc.ClientConn{}
	for _, name := range []string{"identity", "cart", "pricing", "inventory", "order"} {
		if conns[name], err = e.Dial(name); err != nil {
			return runtime.Service{}, err
		}
	}
	s := &server{store: store, log: e.Telemetry,
		identity: pb.NewIdentityClient(conns["identity"]), cart: pb.NewCartClient(conns["cart"]),
		pricing: pb.NewPricingClient(conns["pricing"]), inventory: pb.NewInventoryClient(conns["inventory"]),
		order: pb.NewOrderClient(conns["order"])}
	return runtime.Service{
		GRPC:       func(r grpc.ServiceRegistrar) { pb.RegisterCheckoutServer(r, s) },
		Background: []func(context.Context) error{s.recoverSagas},
	}, nil
}

type server struct {
	pb.UnimplementedCheckoutServer
	store     *runtime.Store
	log       *hop.Telemetry
	identity  pb.IdentityClient
	cart      pb.CartClient
	pricing   pb.PricingClient
	inventory pb.InventoryClient
	order     pb.OrderClient
}

// The states of a saga. What a crash or an outage leaves started is settled by
// recoverSagas; done and failed are final.
const (
	started = "started"
	done    = "done"
	failed  = "failed"
)

func (s *server) PlaceOrder(ctx context.Context, req *pb.PlaceOrderRequest) (*pb.PlaceOrderResponse, error) {
	if req.GetUserId() == "" {
		return nil, status.Error(codes.InvalidArgument, "user_id is missing")
	}
	key := req.GetIdempotencyKey()
	if key == "" {
		key = uuid.NewString()
	}
	if resp, err := s.placed(ctx, key, req.GetUserId()); resp != nil || err != nil {
		return resp, err
	}
	var user *pb.User
	var content *pb.CartContent
	// Who buys and what are independent questions: asked at the same time.
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		user, err = s.identity.GetUser(gctx, &pb.GetUserRequest{UserId: req.GetUserId()})
		return err
	})
	g.Go(func() (err error) {
		content, err = s.cart.GetCart(gctx, &pb.GetCartRequest{UserId: req.GetUserId()})
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	hop.SetAttributes(ctx, attribute.String("customer.tier", user.GetTier()), attribute.String("region", user.GetRegion()),
		attribute.String("payment.method", req.GetPaymentMethod()), attribute.Int("cart.items", len(content.GetItems())))
	if len(content.GetItems()) == 0 {
		return nil, status.Error(codes.FailedPrecondition, "the cart is empty")
	}
	return s.run(ctx, key, user, content, req)
}

func (s *server) run(ctx context.Context, key string, user *pb.User, content *pb.CartContent, req *pb.PlaceOrderRequest) (*pb.PlaceOrderResponse, error) {
	quote, err := s.pricing.Quote(ctx, &pb.QuoteRequest{UserId: user.GetId(), Tier: user.GetTier(), Region: user.GetRegion(), Items: content.GetItems()})
	if err != nil {
		return nil, err
	}
	id := uuid.Must(uuid.NewV7()).String()
	res, err := s.store.Exec(ctx, `INSERT INTO sagas (order_id, user_id, idempotency_key, state, result, updated_unix_ms)
		VALUES (?, ?, ?, ?, '', ?) ON CONFLICT (idempotency_key) DO NOTHING`, id, user.GetId(), key, started, time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	switch n, err := res.RowsAffected(); {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, status.Error(codes.Aborted, "this checkout is under way already")
	}
	if _, err := s.inventory.Reserve(ctx, &pb.ReserveRequest{ReservationId: id, Items: content.GetItems()}); err != nil {
		return s.settle(ctx, id, err)
	}
	order, err := s.order.CreateOrder(ctx, &pb.CreateOrderRequest{OrderId: id, UserId: user.GetId(), Region: user.GetRegion(),
		Tier: user.GetTier(), PaymentMethod: req.GetPaymentMethod(), Total: quote.GetTotal(), Items: content.GetItems()})
	if err != nil {
		return s.settle(ctx, id, err)
	}
	// The order stands from here on: what is left must not fail it.
	resp, err := s.finish(ctx, order)
	if err != nil {
		hop.Zerolog(ctx).Warn().Err(err).Msg("the saga stays open; it will be finished later")
	}
	if _, err := s.cart.EmptyCart(ctx, &pb.EmptyCartRequest{UserId: user.GetId()}); err != nil {
		hop.Zerolog(ctx).Warn().Err(err).Msg("the cart was not emptied")
	}
	return resp, nil
}

// finish takes a saga whose order stands to its end: the reservation is sold.
// The answer is complete also when that has to wait.
func (s *server) finish(ctx context.Context, order *pb.OrderRecord) (*pb.PlaceOrderResponse, error) {
	resp := &pb.PlaceOrderResponse{OrderId: order.GetId(), Total: order.GetTotal(), ChargeId: order.GetChargeId()}
	if _, err := s.inventory.Commit(ctx, &pb.CommitRequest{ReservationId: order.GetId()}); err != nil {
		return resp, err
	}
	result, err := json.Marshal(resp)
	if err != nil {
		return resp, err
	}
	return resp, s.setState(ctx, order.GetId(), done, string(result))
}

// placed answers a repeated request with the first one's result.
func (s *server) placed(ctx context.Context, key, user string) (*pb.PlaceOrderResponse, error) {
	var state, result, owner string
	err := s.store.QueryRow(ctx, "SELECT state, result, user_id FROM sagas WHERE idempotency_key = ?", key).Scan(&state, &result, &owner)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case owner != user:
		return nil, status.Error(codes.PermissionDenied, "this idempotency key belongs to somebody else")
	case state == done:
		var resp pb.PlaceOrderResponse
		return &resp, json.Unmarshal([]byte(result), &resp)
	case state == failed:
		return nil, status.Error(codes.Aborted, "this checkout failed; use a new idempotency key")
	}
	return nil, status.Error(codes.Aborted, "this checkout is under way already")
}

// settle ends a saga of which a step failed, also when the caller is gone, and
// returns the cause; unless the order was placed and only its answer lost.
func (s *server) settle(ctx context.Context, id string, cause error) (*pb.PlaceOrderResponse, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	resp, err := s.conclude(ctx, id)
	if err != nil {
		// It stays open: recoverSagas takes it up again.
		hop.Zerolog(ctx).Warn().Err(err).Msg("the saga could not be undone; it will be later")
	}
	if resp != nil {
		return resp, nil
	}
	return nil, cause
}

// conclude asks order what became of a saga's order and follows it: forward
// when it was placed, and back otherwise. Every step may be taken again.
func (s *server) conclude(ctx context.Context, id string) (*pb.PlaceOrderResponse, error) {
	o, err := s.order.CancelOrder(ctx, &pb.CancelOrderRequest{OrderId: id})
	if err != nil {
		return nil, err
	}
	if o.GetPlaced() != nil {
		return s.finish(ctx, o.GetPlaced())
	}
	if _, err := s.inventory.Release(ctx, &pb.ReleaseRequest{ReservationId: id}); err != nil {
		return nil, err
	}
	return nil, s.setState(ctx, id, failed, "")
}

func (s *server) setState(ctx context.Context, id, state, result string) error {
	_, err := s.store.Exec(ctx, "UPDATE sagas SET state = ?, result = ?, updated_unix_ms = ? WHERE order_id = ?",
		state, result, time.Now().UnixMilli(), id)
	return err
}

// abandoned is the age at which an unfinished saga's process is taken for dead.
const abandoned = 2 * time.Minute

// recoverSagas finishes the sagas that a crash or an outage left open.
func (s *server) recoverSagas(ctx context.Context) error {
	tick := time.NewTicker(30 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := s.recoverOnce(ctx, abandoned); err != nil && ctx.Err() == nil {
				s.log.Zerolog().Warn().Err(err).Msg("open sagas stay for now")
			}
		}
	}
}

func (s *server) recoverOnce(ctx context.Context, olderThan time.Duration) error {
	rows, err := s.store.Query(ctx, "SELECT order_id FROM sagas WHERE state = ? AND updated_unix_ms <= ? LIMIT 50",
		started, time.Now().Add(-olderThan).UnixMilli())
	if err != nil {
		return err
	}
	defer rows.Close()
	var open []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		open = append(open, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, id := range open {
		if _, err := s.conclude(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
