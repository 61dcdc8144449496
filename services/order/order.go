// Package order charges the customer and records the order. Its event is written in the
// same transaction (an outbox).
package order

import (
	"context"
	"embed"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/hop"
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
		Name:       "order",
		Events:     true,
		Operations: []string{"tenhop.v1.Order/CreateOrder", "tenhop.v1.Order/CancelOrder", "tenhop.v1.Order/ListOrders"},
		Fields: func(_ context.Context, _ string, req any) map[string]string {
			if r, ok := req.(*pb.CreateOrderRequest); ok {
				return map[string]string{"region": r.GetRegion(), "customer.tier": r.GetTier(), "payment.method": r.GetPaymentMethod()}
			}
			return nil
		},
		Kinds: []chaos.Implementation{faults.RetryStorm},
		Build: build,
	}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		return runtime.Service{}, err
	}
	conn, err := e.Dial("payment")
	if err != nil {
		return runtime.Service{}, err
	}
	events, err := e.Publisher()
	if err != nil {
		return runtime.Service{}, err
	}
	r := &relay{store: store, events: events, telemetry: e.Telemetry, wake: make(chan struct{}, 1)}
	s := &server{store: store, payment: pb.NewPaymentClient(conn), committed: r.poke}
	return runtime.Service{
		GRPC:       func(reg grpc.ServiceRegistrar) { pb.RegisterOrderServer(reg, s) },
		Background: []func(context.Context) error{r.run, e.ReportLag(events, contracts.TopicOrdersPlaced)},
	}, nil
}

type server struct {
	pb.UnimplementedOrderServer
	store     *runtime.Store
	payment   pb.PaymentClient
	committed func()
}

func (s *server) CreateOrder(ctx context.Context, req *pb.CreateOrderRequest) (*pb.OrderRecord, error) {
	hop.SetAttributes(ctx, attribute.String("region", req.GetRegion()), attribute.String("customer.tier", req.GetTier()),
		attribute.String("payment.method", req.GetPaymentMethod()))
	if req.GetOrderId() == "" || len(req.GetItems()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "an order needs an ID and items")
	}
	charge, err := s.payment.Charge(ctx, &pb.ChargeRequest{
		IdempotencyKey: req.GetOrderId(), UserId: req.GetUserId(), Region: req.GetRegion(),
		Method: req.GetPaymentMethod(), Amount: req.GetTotal(), CardToken: req.GetCardToken(),
	})
	if err != nil {
		return nil, err
	}
	o := &pb.OrderRecord{Id: req.GetOrderId(), UserId: req.GetUserId(), ChargeId: charge.GetChargeId(),
		Total: req.GetTotal(), CreatedUnixMs: time.Now().UnixMilli(), Items: req.GetItems()}
	// A failure keeps the charge. The caller settles order and charge with
	// CancelOrder, which also covers a caller that never received the response.
	if err := s.record(ctx, o, req); err != nil {
		return nil, err
	}
	s.committed()
	return o, nil
}

// States of an order. The first writer of the row decides.
const (
	placed    = "placed"
	cancelled = "cancelled"
)

// CancelOrder is idempotent.
func (s *server) CancelOrder(ctx context.Context, req *pb.CancelOrderRequest) (*pb.CancelOrderResponse, error) {
	id := req.GetOrderId()
	if id == "" {
		return nil, status.Error(codes.InvalidArgument, "order_id is missing")
	}
	_, err := s.store.Exec(ctx, `INSERT INTO orders (id, user_id, charge_id, total, created_unix_ms, items, state)
		VALUES (?, '', '', 0, ?, '[]', ?) ON CONFLICT (id) DO NOTHING`, id, time.Now().UnixMilli(), cancelled)
	if err != nil {
		return nil, err
	}
	row := s.store.QueryRow(ctx, "SELECT id, user_id, charge_id, total, created_unix_ms, items, state FROM orders WHERE id = ?", id)
	var state string
	o, err := scan(row, &state)
	if err != nil {
		return nil, err
	}
	if state == placed {
		return &pb.CancelOrderResponse{Placed: o}, nil
	}
	if _, err := s.payment.Refund(ctx, &pb.RefundRequest{IdempotencyKey: id}); err != nil {
		return nil, err
	}
	return &pb.CancelOrderResponse{}, nil
}

// record writes the order and its event in one transaction. The event's row holds
// trace context and correlation ID, so that the event belongs to this request
// whenever it is published.
func (s *server) record(ctx context.Context, o *pb.OrderRecord, req *pb.CreateOrderRequest) error {
	items, err := json.Marshal(o.GetItems())
	if err != nil {
		return err
	}
	event, err := protojson.Marshal(&pb.OrderPlaced{OrderId: o.GetId(), UserId: o.GetUserId(), Region: req.GetRegion(),
		Tier: req.GetTier(), Total: o.GetTotal(), Items: o.GetItems(), CardToken: req.GetCardToken()})
	if err != nil {
		return err
	}
	carried, err := json.Marshal(hop.Snapshot(ctx))
	if err != nil {
		return err
	}
	return s.store.InTx(ctx, func(tx runtime.Tx) error {
		res, err := tx.Exec(ctx, `INSERT INTO orders (id, user_id, charge_id, total, created_unix_ms, items) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`, o.GetId(), o.GetUserId(), o.GetChargeId(), o.GetTotal(), o.GetCreatedUnixMs(), string(items))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 { // a repeated request, or one that was cancelled meanwhile
			var state string
			before, err := scan(tx.QueryRow(ctx, "SELECT id, user_id, charge_id, total, created_unix_ms, items, state FROM orders WHERE id = ?", o.GetId()), &state)
			if err != nil {
				return err
			}
			if state == cancelled {
				return status.Error(codes.Aborted, "this order was cancelled")
			}
			// The order and its event exist already: the response is the same.
			o.ChargeId, o.Total, o.CreatedUnixMs, o.Items = before.GetChargeId(), before.GetTotal(), before.GetCreatedUnixMs(), before.GetItems()
			return nil
		}
		_, err = tx.Exec(ctx, `INSERT INTO outbox (id, topic, record_key, value, context, committed_unix_us) VALUES (?, ?, ?, ?, ?, ?)`,
			uuid.Must(uuid.NewV7()).String(), contracts.TopicOrdersPlaced, o.GetId(), string(event), string(carried), time.Now().UnixMicro())
		return err
	})
}

func (s *server) ListOrders(ctx context.Context, req *pb.ListOrdersRequest) (*pb.Orders, error) {
	limit := req.GetLimit()
	if limit <= 0 || limit > 100 {
		limit = 20
	}
	rows, err := s.store.Query(ctx, `SELECT id, user_id, charge_id, total, created_unix_ms, items FROM orders
		WHERE user_id = ? AND state = ? ORDER BY created_unix_ms DESC LIMIT ?`, req.GetUserId(), placed, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := &pb.Orders{}
	for rows.Next() {
		o, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out.Orders = append(out.Orders, o)
	}
	return out, rows.Err()
}

// scan reads the columns of an order, and those in more after them.
func scan(row interface{ Scan(...any) error }, more ...any) (*pb.OrderRecord, error) {
	var o pb.OrderRecord
	var items string
	if err := row.Scan(append([]any{&o.Id, &o.UserId, &o.ChargeId, &o.Total, &o.CreatedUnixMs, &items}, more...)...); err != nil {
		return nil, err
	}
	return &o, json.Unmarshal([]byte(items), &o.Items)
}
