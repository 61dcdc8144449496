// Package payment charges customers, once per idempotency key.
package payment

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/services/contracts"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{
		Name:       "payment",
		Operations: []string{"tenhop.v1.Payment/Charge", "tenhop.v1.Payment/Refund"},
		Fields: func(_ context.Context, _ string, req any) map[string]string {
			if r, ok := req.(*pb.ChargeRequest); ok {
				return map[string]string{"region": r.GetRegion(), "payment.method": r.GetMethod()}
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
	s := &server{store: store, fraud: e.BaseURL("fraud"), client: e.HTTPClient("fraud")}
	return runtime.Service{GRPC: func(r grpc.ServiceRegistrar) { pb.RegisterPaymentServer(r, s) }}, nil
}

type server struct {
	pb.UnimplementedPaymentServer
	store  *runtime.Store
	fraud  func() string
	client *http.Client
}

func (s *server) Charge(ctx context.Context, req *pb.ChargeRequest) (*pb.ChargeResponse, error) {
	hop.SetAttributes(ctx, attribute.String("region", req.GetRegion()), attribute.String("payment.method", req.GetMethod()))
	if req.GetIdempotencyKey() == "" || req.GetAmount() <= 0 {
		return nil, status.Error(codes.InvalidArgument, "a charge needs an idempotency key and a positive amount")
	}
	switch id, err := s.charged(ctx, req.GetIdempotencyKey()); {
	case err != nil:
		return nil, err
	case id != "":
		return &pb.ChargeResponse{ChargeId: id}, nil
	}
	if err := s.known(ctx, req.GetUserId(), req.GetCardToken()); err != nil {
		return nil, err
	}
	v, err := s.check(ctx, req)
	if err != nil {
		return nil, status.Error(codes.Unavailable, "fraud check: "+err.Error())
	}
	if !v.Allowed {
		return nil, status.Error(codes.PermissionDenied, "charge refused: "+v.Reason)
	}
	_, err = s.store.Exec(ctx, `INSERT INTO charges (id, idempotency_key, user_id, method, amount, state, created_unix_ms, card_token)
		VALUES (?, ?, ?, ?, ?, 'charged', ?, ?) ON CONFLICT (idempotency_key) DO NOTHING`,
		uuid.Must(uuid.NewV7()).String(), req.GetIdempotencyKey(), req.GetUserId(), req.GetMethod(), req.GetAmount(), time.Now().UnixMilli(), req.GetCardToken())
	if err != nil {
		return nil, err
	}
	// Two concurrent charges with one key write one row; both return it.
	id, err := s.charged(ctx, req.GetIdempotencyKey())
	if err != nil {
		return nil, err
	}
	return &pb.ChargeResponse{ChargeId: id}, nil
}

func (s *server) charged(ctx context.Context, key string) (string, error) {
	var id, state string
	err := s.store.QueryRow(ctx, "SELECT id, state FROM charges WHERE idempotency_key = ?", key).Scan(&id, &state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err == nil && state != "charged":
		return "", status.Error(codes.FailedPrecondition, "this charge was refunded")
	}
	return id, err
}

// Refund is idempotent. For a key that is not charged yet it writes a row that
// prevents a charge still in flight.
func (s *server) Refund(ctx context.Context, req *pb.RefundRequest) (*pb.RefundResponse, error) {
	if req.GetIdempotencyKey() == "" {
		return nil, status.Error(codes.InvalidArgument, "a refund needs the charge's idempotency key")
	}
	_, err := s.store.Exec(ctx, `INSERT INTO charges (id, idempotency_key, user_id, method, amount, state, created_unix_ms)
		VALUES (?, ?, '', '', 0, 'refunded', ?) ON CONFLICT (idempotency_key) DO UPDATE SET state = 'refunded'`,
		uuid.Must(uuid.NewV7()).String(), req.GetIdempotencyKey(), time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	return &pb.RefundResponse{}, nil
}

func (s *server) check(ctx context.Context, c *pb.ChargeRequest) (contracts.FraudVerdict, error) {
	var v contracts.FraudVerdict
	body, err := json.Marshal(contracts.FraudCheck{UserID: c.GetUserId(), Region: c.GetRegion(), Method: c.GetMethod(), Amount: c.GetAmount()})
	if err != nil {
		return v, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.fraud()+"/check", bytes.NewReader(body))
	if err != nil {
		return v, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return v, fmt.Errorf("status %d", resp.StatusCode)
	}
	return v, json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&v)
}
