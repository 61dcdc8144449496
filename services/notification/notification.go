// Package notification notifies customers of their shipments. It writes the messages
// to a table; no mail leaves the storefront.
package notification

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
		Name:       "notification",
		Events:     true,
		Operations: []string{"process " + contracts.TopicShipmentsCreated},
		Fields: func(_ context.Context, _ string, req any) map[string]string {
			var m pb.ShipmentCreated
			if ev, ok := runtime.EventOf(req); ok && ev.Decode(&m) == nil {
				return map[string]string{"region": m.GetRegion()}
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
	conn, err := e.Dial("identity")
	if err != nil {
		return runtime.Service{}, err
	}
	events, err := e.Consumer(ctx, contracts.TopicShipmentsCreated)
	if err != nil {
		return runtime.Service{}, err
	}
	s := &server{store: store, identity: pb.NewIdentityClient(conn)}
	return runtime.Service{Background: []func(context.Context) error{
		func(ctx context.Context) error { return events.Consume(ctx, s.notify) },
	}}, nil
}

type server struct {
	store    *runtime.Store
	identity pb.IdentityClient
}

// notify is idempotent: a shipment's message is sent once.
func (s *server) notify(ctx context.Context, ev runtime.Event) error {
	var m pb.ShipmentCreated
	if err := ev.Decode(&m); err != nil {
		return err
	}
	if m.GetShipmentId() == "" {
		return runtime.Unprocessable(errors.New("the event has no shipment_id"))
	}
	hop.SetAttributes(ctx, attribute.String("region", m.GetRegion()))
	u, err := s.identity.GetUser(ctx, &pb.GetUserRequest{UserId: m.GetUserId()})
	if status.Code(err) == codes.NotFound {
		hop.Zerolog(ctx).Warn().Str("user_id", m.GetUserId()).Msg("the customer is gone; no message")
		return nil
	}
	if err != nil {
		return err
	}
	body := fmt.Sprintf("Dear %s, your order %s is with %s.", u.GetName(), m.GetOrderId(), m.GetCarrier())
	_, err = s.store.Exec(ctx, `INSERT INTO messages (shipment_id, user_id, recipient, body, sent_unix_ms) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (shipment_id) DO NOTHING`, m.GetShipmentId(), u.GetId(), u.GetEmail(), body, time.Now().UnixMilli())
	return err
}
