// Package notification notifies customers of their shipments. It writes the messages
// to a table; no mail leaves the storefront.
package notification

import (
	"context"
	"embed"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
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
		Name:       "notification",
		Operations: []string{"process " + contracts.TopicShipmentsCreated},
		Fields: func(_ context.Context, _ string, req any) map[string]string {
			var m pb.ShipmentCreated
			if r, ok := req.(*kgo.Record); ok && protojson.Unmarshal(r.Value, &m) == nil {
				return map[string]string{"region": m.GetRegion()}
			}
			return nil
		},
		Kinds: []chaos.Implementation{faults.SlowConsumer, faults.Poison()},
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
	cl, err := e.Kafka.Consumer(ctx, e, contracts.TopicShipmentsCreated)
	if err != nil {
		return runtime.Service{}, err
	}
	s := &server{store: store, identity: pb.NewIdentityClient(conn)}
	handle := e.Record(s.notify)
	return runtime.Service{Background: []func(context.Context) error{
		func(ctx context.Context) error { return runtime.Consume(ctx, e, cl, handle) },
	}}, nil
}

type server struct {
	store    *runtime.Store
	identity pb.IdentityClient
}

// notify is idempotent: a shipment's message is sent once.
func (s *server) notify(ctx context.Context, r *kgo.Record) error {
	var m pb.ShipmentCreated
	if err := protojson.Unmarshal(r.Value, &m); err != nil || m.GetShipmentId() == "" {
		hop.Zerolog(ctx).Error().Err(err).Int64("offset", r.Offset).Msg("unreadable record skipped")
		return nil
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
