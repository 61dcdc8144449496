// Package fraud decides whether a charge is plausible for its customer.
package fraud

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/services/contracts"
	"github.com/tenhop/tenhop/services/problem"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/resilience"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{Name: "fraud", Operations: []string{"POST /check"}, Build: build}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		return runtime.Service{}, err
	}
	s := &server{store: store}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /check", s.check)
	handler := e.Handler(resilience.Handler(e.Chaos.Handler(mux)), mux)
	return runtime.Service{HTTP: handler, Background: []func(context.Context) error{s.forget}}, nil
}

type server struct{ store *runtime.Store }

func (s *server) check(w http.ResponseWriter, r *http.Request) {
	var c contracts.FraudCheck
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&c); err != nil {
		problem.Write(w, http.StatusBadRequest, "the body is not a check: "+err.Error())
		return
	}
	hop.SetAttributes(r.Context(), attribute.String("region", c.Region), attribute.String("payment.method", c.Method))
	v, err := s.judge(r.Context(), c)
	if err != nil {
		problem.Answer(w, hop.Zerolog(r.Context()), err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // payment is gone when it fails
}

func (s *server) judge(ctx context.Context, c contracts.FraudCheck) (contracts.FraudVerdict, error) {
	var maxAmount, maxPerMinute int64
	err := s.store.QueryRow(ctx, "SELECT max_amount, max_per_minute FROM rules WHERE method = ?", c.Method).Scan(&maxAmount, &maxPerMinute)
	if errors.Is(err, sql.ErrNoRows) {
		return contracts.FraudVerdict{Reason: "unknown payment method", Score: 100}, nil
	}
	if err != nil {
		return contracts.FraudVerdict{}, err
	}
	var n int64
	err = s.store.QueryRow(ctx, `INSERT INTO velocity (user_id, minute, n) VALUES (?, ?, 1)
		ON CONFLICT (user_id, minute) DO UPDATE SET n = velocity.n + 1 RETURNING n`, c.UserID, time.Now().Unix()/60).Scan(&n)
	if err != nil {
		return contracts.FraudVerdict{}, err
	}
	switch {
	case c.Amount > maxAmount:
		return contracts.FraudVerdict{Reason: "amount above the limit", Score: 90}, nil
	case n > maxPerMinute:
		return contracts.FraudVerdict{Reason: "too many charges in a minute", Score: 80}, nil
	}
	return contracts.FraudVerdict{Allowed: true, Score: int(n * 100 / (maxPerMinute + 1))}, nil
}

// forget deletes old counters.
func (s *server) forget(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if _, err := s.store.Exec(ctx, "DELETE FROM velocity WHERE minute < ?", time.Now().Unix()/60-10); err != nil {
				hop.Zerolog(ctx).Warn().Err(err).Msg("old counters stay for now")
			}
		}
	}
}
