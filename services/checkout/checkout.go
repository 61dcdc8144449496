// Package checkout turns a cart into a paid order. It runs a saga over identity, cart,
// pricing, inventory and order, and undoes it if one of its calls fails.
//
// A checkout first claims the items of the cart, so only one of several concurrent
// checkouts orders them. If the checkout fails, they return to the cart.
package checkout

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/faults"
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
		Kinds: []chaos.Implementation{faults.LostConcurrency, faults.RetryStorm},
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
	s := &server{store: store, log: e.Telemetry, chaos: e.Chaos,
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
	chaos     *chaos.Injector
	identity  pb.IdentityClient
	cart      pb.CartClient
	pricing   pb.PricingClient
	inventory pb.InventoryClient
	order     pb.OrderClient
}

// The states of a saga. A saga that a crash or an outage leaves started is concluded by
// recoverSagas. done and failed are final.
const (
	started = "started"
	done    = "done"
	failed  = "failed"
)

// settleTimeout is the timeout of work on a saga that continues without its caller.
const settleTimeout = 10 * time.Second

// Errors for a request whose idempotency key is in use.
var (
	errUnderWay  = status.Error(codes.Aborted, "this checkout is under way already")
	errFailed    = status.Error(codes.Aborted, "this checkout failed; use a new idempotency key")
	errOtherWay  = status.Error(codes.FailedPrecondition, "this idempotency key was used for a checkout with another payment method; use a new key")
	errEmptyCart = status.Error(codes.FailedPrecondition, "the cart is empty")
)

func (s *server) PlaceOrder(ctx context.Context, req *pb.PlaceOrderRequest) (*pb.PlaceOrderResponse, error) {
	if req.GetUserId() == "" {
		return nil, status.Error(codes.InvalidArgument, "user_id is missing")
	}
	key := req.GetIdempotencyKey()
	if key == "" {
		key = uuid.NewString()
	}
	if resp, err := s.placed(ctx, key, req); resp != nil || err != nil {
		return resp, err
	}
	id := uuid.Must(uuid.NewV7()).String()
	if err := s.begin(ctx, id, key, req); err != nil {
		return nil, err
	}
	user, content, quote, err := s.claim(ctx, id, req)
	if err != nil {
		s.abandon(ctx, id, req.GetUserId())
		return nil, err
	}
	return s.run(ctx, id, user, content, quote, req)
}

// begin records a new saga. It fails if the user's key is in use.
func (s *server) begin(ctx context.Context, id, key string, req *pb.PlaceOrderRequest) error {
	res, err := s.store.Exec(ctx, `INSERT INTO sagas (order_id, user_id, idempotency_key, payment_method, items, state, result, updated_unix_ms)
		VALUES (?, ?, ?, ?, '', ?, '', ?) ON CONFLICT (user_id, idempotency_key) DO NOTHING`,
		id, req.GetUserId(), key, req.GetPaymentMethod(), started, time.Now().UnixMilli())
	if err != nil {
		return err
	}
	switch n, err := res.RowsAffected(); {
	case err != nil:
		return err
	case n == 0:
		return errUnderWay
	}
	return nil
}

// claim claims the items of the cart and fetches the user and the quote. It changes
// nothing else.
func (s *server) claim(ctx context.Context, id string, req *pb.PlaceOrderRequest) (*pb.User, *pb.CartContent, *pb.QuoteResponse, error) {
	var user *pb.User
	var content *pb.CartContent
	// The user and the cart are independent, so the calls run concurrently.
	g, gctx := errgroup.WithContext(ctx)
	if _, on := s.chaos.On(ctx, faults.LostConcurrency.Name); on {
		g.SetLimit(1)
	}
	g.Go(func() (err error) {
		user, err = s.identity.GetUser(gctx, &pb.GetUserRequest{UserId: req.GetUserId()})
		return err
	})
	g.Go(func() (err error) {
		content, err = s.cart.GetCart(gctx, &pb.GetCartRequest{UserId: req.GetUserId(), ClaimId: id})
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, nil, nil, err
	}
	hop.SetAttributes(ctx, attribute.String("customer.tier", user.GetTier()), attribute.String("region", user.GetRegion()),
		attribute.String("payment.method", req.GetPaymentMethod()), attribute.Int("cart.items", len(content.GetItems())))
	if len(content.GetItems()) == 0 {
		return nil, nil, nil, errEmptyCart
	}
	quote, err := s.pricing.Quote(ctx, &pb.QuoteRequest{UserId: user.GetId(), Tier: user.GetTier(), Region: user.GetRegion(), Items: content.GetItems()})
	return user, content, quote, err
}

// abandon undoes a saga that has only claimed a cart, even if the caller has
// disconnected. Its idempotency key may be used again.
func (s *server) abandon(ctx context.Context, id, user string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	_, err := s.cart.EmptyCart(ctx, &pb.EmptyCartRequest{UserId: user, ClaimId: id, Restore: true})
	if err == nil {
		_, err = s.store.Exec(ctx, "DELETE FROM sagas WHERE order_id = ? AND state = ?", id, started)
	}
	if err != nil {
		// The saga stays open until recoverSagas concludes it.
		hop.Zerolog(ctx).Warn().Err(err).Msg("the claim of the cart could not be undone; it will be later")
	}
}

func (s *server) run(ctx context.Context, id string, user *pb.User, content *pb.CartContent, quote *pb.QuoteResponse, req *pb.PlaceOrderRequest) (*pb.PlaceOrderResponse, error) {
	if _, err := s.inventory.Reserve(ctx, &pb.ReserveRequest{ReservationId: id, Items: content.GetItems()}); err != nil {
		return s.settle(ctx, id, user.GetId(), err)
	}
	order, err := s.order.CreateOrder(ctx, &pb.CreateOrderRequest{OrderId: id, UserId: user.GetId(), Region: user.GetRegion(),
		Tier: user.GetTier(), PaymentMethod: req.GetPaymentMethod(), CardToken: req.GetCardToken(), Total: quote.GetTotal(), Items: content.GetItems()})
	if err != nil {
		return s.settle(ctx, id, user.GetId(), err)
	}
	// The order is placed. Later errors must not fail the request.
	resp, err := s.finish(ctx, order, user.GetId())
	if err != nil {
		hop.Zerolog(ctx).Warn().Err(err).Msg("the saga stays open; it will be finished later")
	}
	return resp, nil
}

// finish completes a saga whose order is placed: it commits the reservation and drops
// the claimed items. The response is complete even if these calls fail and are retried
// later.
func (s *server) finish(ctx context.Context, order *pb.OrderRecord, user string) (*pb.PlaceOrderResponse, error) {
	resp := &pb.PlaceOrderResponse{OrderId: order.GetId(), Total: order.GetTotal(), ChargeId: order.GetChargeId()}
	if _, err := s.inventory.Commit(ctx, &pb.CommitRequest{ReservationId: order.GetId()}); err != nil {
		return resp, err
	}
	if _, err := s.cart.EmptyCart(ctx, &pb.EmptyCartRequest{UserId: user, ClaimId: order.GetId()}); err != nil {
		// Claimed items are in no cart and expire.
		hop.Zerolog(ctx).Warn().Err(err).Msg("the claimed items were not dropped")
	}
	result, err := json.Marshal(resp)
	if err != nil {
		return resp, err
	}
	_, err = s.store.Exec(ctx, "UPDATE sagas SET state = ?, result = ?, items = ?, updated_unix_ms = ? WHERE order_id = ?",
		done, string(result), fingerprint(order.GetItems()), time.Now().UnixMilli(), order.GetId())
	return resp, err
}

// fingerprint returns a text that is equal for equal items, which a cart returns
// in order of their IDs.
func fingerprint(items []*pb.Item) string {
	var b strings.Builder
	for _, it := range items {
		fmt.Fprintf(&b, "%d %s\n", it.GetQuantity(), it.GetProductId())
	}
	return b.String()
}

// placed returns the result of the first request to a repeated one. It fails if a
// request with the same key has other contents.
func (s *server) placed(ctx context.Context, key string, req *pb.PlaceOrderRequest) (*pb.PlaceOrderResponse, error) {
	var state, result, method, items string
	err := s.store.QueryRow(ctx, "SELECT state, result, payment_method, items FROM sagas WHERE user_id = ? AND idempotency_key = ?",
		req.GetUserId(), key).Scan(&state, &result, &method, &items)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case method != "" && method != req.GetPaymentMethod():
		return nil, errOtherWay
	case state == failed:
		return nil, errFailed
	case state != done:
		return nil, errUnderWay
	}
	var resp pb.PlaceOrderResponse
	if err := json.Unmarshal([]byte(result), &resp); err != nil {
		return nil, err
	}
	// The ordered items left the cart. If it holds other items now, the request may refer
	// to those.
	now, err := s.cart.GetCart(ctx, &pb.GetCartRequest{UserId: req.GetUserId()})
	if err == nil && items != "" && len(now.GetItems()) > 0 && fingerprint(now.GetItems()) != items {
		return nil, status.Errorf(codes.FailedPrecondition,
			"this idempotency key was used for order %s, and the cart holds other items now; use a new key to order them", resp.GetOrderId())
	}
	return &resp, nil
}

// settle concludes a saga after a failed call, even if the caller has disconnected. It
// returns the cause, unless the order was placed and only the response was lost.
func (s *server) settle(ctx context.Context, id, user string, cause error) (*pb.PlaceOrderResponse, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	resp, err := s.conclude(ctx, id, user)
	if err != nil {
		// It stays open: recoverSagas takes it up again.
		hop.Zerolog(ctx).Warn().Err(err).Msg("the saga could not be undone; it will be later")
	}
	if resp != nil {
		return resp, nil
	}
	return nil, cause
}

// conclude asks the order service for the state of a saga's order. It completes the
// saga if the order was placed, and undoes it otherwise. Every call is idempotent.
func (s *server) conclude(ctx context.Context, id, user string) (*pb.PlaceOrderResponse, error) {
	o, err := s.order.CancelOrder(ctx, &pb.CancelOrderRequest{OrderId: id})
	if err != nil {
		return nil, err
	}
	if o.GetPlaced() != nil {
		return s.finish(ctx, o.GetPlaced(), user)
	}
	if _, err := s.inventory.Release(ctx, &pb.ReleaseRequest{ReservationId: id}); err != nil {
		return nil, err
	}
	if _, err := s.cart.EmptyCart(ctx, &pb.EmptyCartRequest{UserId: user, ClaimId: id, Restore: true}); err != nil {
		return nil, err
	}
	_, err = s.store.Exec(ctx, "UPDATE sagas SET state = ?, updated_unix_ms = ? WHERE order_id = ?", failed, time.Now().UnixMilli(), id)
	return nil, err
}

// abandoned is the age at which an unfinished saga's process is assumed dead.
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

// recoverOnce concludes the open sagas that are older than olderThan. An error in one
// saga does not affect the others.
func (s *server) recoverOnce(ctx context.Context, olderThan time.Duration) error {
	rows, err := s.store.Query(ctx, "SELECT order_id, user_id FROM sagas WHERE state = ? AND updated_unix_ms <= ? LIMIT 50",
		started, time.Now().Add(-olderThan).UnixMilli())
	if err != nil {
		return err
	}
	defer rows.Close()
	type saga struct{ id, user string }
	var open []saga
	for rows.Next() {
		var sg saga
		if err := rows.Scan(&sg.id, &sg.user); err != nil {
			return err
		}
		open = append(open, sg)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	var errs []error
	for _, sg := range open {
		if _, err := s.conclude(ctx, sg.id, sg.user); err != nil {
			errs = append(errs, fmt.Errorf("saga %s: %w", sg.id, err))
		}
	}
	return errors.Join(errs...)
}
