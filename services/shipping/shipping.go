// Package shipping creates shipments for placed orders and announces them.
package shipping

import (
	"context"
	"embed"
	"errors"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
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
		Name:       "shipping",
		Events:     true,
		Operations: []string{"process " + contracts.TopicOrdersPlaced},
		Fields: func(_ context.Context, _ string, req any) map[string]string {
			var o pb.OrderPlaced
			if ev, ok := runtime.EventOf(req); ok && ev.Decode(&o) == nil {
				return map[string]string{"region": o.GetRegion(), "customer.tier": o.GetTier()}
			}
			return nil
		},
		Kinds: []chaos.Implementation{faults.SlowConsumer, faults.Poison(runtime.EventID)},
		Build: build,
	}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		return runtime.Service{}, err
	}
	events, err := e.Consumer(ctx, contracts.TopicOrdersPlaced)
	if err != nil {
		return runtime.Service{}, err
	}
	s := &server{store: store, events: events}
	return runtime.Service{Background: []func(context.Context) error{
		func(ctx context.Context) error { return events.Consume(ctx, s.ship) },
		e.ReportLag(events, contracts.TopicShipmentsCreated),
	}}, nil
}

type server struct {
	store  *runtime.Store
	events runtime.Publisher
}

// carriers maps a region to its carrier.
var carriers = map[string]string{"eu": "Kontor Post", "us": "Prairie Parcel", "apac": "Harbour Express"}

// ship is idempotent: an order is shipped once and, at worst, announced twice.
func (s *server) ship(ctx context.Context, ev runtime.Event) error {
	var o pb.OrderPlaced
	if err := ev.Decode(&o); err != nil {
		return err
	}
	if o.GetOrderId() == "" {
		return runtime.Unprocessable(errors.New("the event has no order_id"))
	}
	hop.SetAttributes(ctx, attribute.String("region", o.GetRegion()), attribute.String("customer.tier", o.GetTier()))
	carrier := carriers[o.GetRegion()]
	if carrier == "" {
		carrier = "Harbour Express"
	}
	_, err := s.store.Exec(ctx, `INSERT INTO shipments (id, order_id, user_id, region, carrier, announced) VALUES (?, ?, ?, ?, ?, 0)
		ON CONFLICT (order_id) DO NOTHING`, uuid.Must(uuid.NewV7()).String(), o.GetOrderId(), o.GetUserId(), o.GetRegion(), carrier)
	if err != nil {
		return err
	}
	var id string
	var announced int64
	if err := s.store.QueryRow(ctx, "SELECT id, announced FROM shipments WHERE order_id = ?", o.GetOrderId()).Scan(&id, &announced); err != nil {
		return err
	}
	if announced != 0 {
		return nil
	}
	value, err := protojson.Marshal(&pb.ShipmentCreated{ShipmentId: id, OrderId: o.GetOrderId(), UserId: o.GetUserId(),
		Region: o.GetRegion(), Carrier: carrier})
	if err != nil {
		return err
	}
	if err := s.events.Publish(ctx, runtime.Event{Topic: contracts.TopicShipmentsCreated, Key: o.GetOrderId(), Value: value}); err != nil {
		return err
	}
	_, err = s.store.Exec(ctx, "UPDATE shipments SET announced = 1 WHERE id = ?", id)
	return err
}
