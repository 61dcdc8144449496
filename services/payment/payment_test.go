package payment

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/services/contracts"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// withFraud is a payment service beside a fraud service that answers verdict.
func withFraud(t *testing.T, e *runtime.Env, verdict contracts.FraudVerdict) *server {
	t.Helper()
	fraud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(verdict)
	}))
	t.Cleanup(fraud.Close)
	store, err := e.OpenStore(t.Context(), migrations)
	if err != nil {
		t.Fatal(err)
	}
	return &server{store: store, fraud: func() string { return fraud.URL }, client: fraud.Client()}
}

func charge(key string) *pb.ChargeRequest {
	return &pb.ChargeRequest{IdempotencyKey: key, UserId: "user-001", Region: "eu", Method: "card", Amount: 995}
}

func TestOneKeyIsChargedOnce(t *testing.T) {
	storetest.Each(t, "payment", func(t *testing.T, e *runtime.Env) {
		s := withFraud(t, e, contracts.FraudVerdict{Allowed: true})
		ids := make([]string, 8)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				resp, err := s.Charge(context.Background(), charge("order-1"))
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = resp.GetChargeId()
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id == "" || id != ids[0] {
				t.Fatalf("charges %v from one key", ids)
			}
		}
	})
}

func TestARefundIsFinal(t *testing.T) {
	storetest.Each(t, "payment", func(t *testing.T, e *runtime.Env) {
		s := withFraud(t, e, contracts.FraudVerdict{Allowed: true})
		for _, c := range []struct {
			why     string
			charged bool
		}{
			{"after the charge", true},
			{"before the charge, whose request is late", false},
		} {
			key := "order " + c.why
			if c.charged {
				if _, err := s.Charge(t.Context(), charge(key)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // a repeated refund changes nothing
				if _, err := s.Refund(t.Context(), &pb.RefundRequest{IdempotencyKey: key}); err != nil {
					t.Fatalf("%s: %v", c.why, err)
				}
			}
			if _, err := s.Charge(t.Context(), charge(key)); status.Code(err) != codes.FailedPrecondition {
				t.Errorf("%s: charged again: %v", c.why, err)
			}
		}
	})
}

func TestChargeIsRefused(t *testing.T) {
	storetest.Each(t, "payment", func(t *testing.T, e *runtime.Env) {
		s := withFraud(t, e, contracts.FraudVerdict{Reason: "too many charges in a minute"})
		for _, c := range []struct {
			why  string
			req  *pb.ChargeRequest
			want codes.Code
		}{
			{"fraud says no", charge("k"), codes.PermissionDenied},
			{"no key: it could charge twice", charge(""), codes.InvalidArgument},
			{"nothing to pay", &pb.ChargeRequest{IdempotencyKey: "k2"}, codes.InvalidArgument},
		} {
			if _, err := s.Charge(t.Context(), c.req); status.Code(err) != c.want {
				t.Errorf("%s: %v, want %v", c.why, err, c.want)
			}
		}
		if id, err := s.charged(t.Context(), "k"); id != "" || err != nil {
			t.Errorf("a refused charge was recorded: %q %v", id, err)
		}
	})
}
