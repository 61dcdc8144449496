//go:build linux

package outside

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/load"
	"github.com/tenhop/tenhop/services/catalog"
	"github.com/tenhop/tenhop/services/identity"
)

// delay slows a share of the requests of one operation. It is the only fault of this
// package that the service itself injects: nothing outside a process can choose one of
// its requests.
func (s *shop) delay(ctx context.Context, service, operation string, added time.Duration, percent int) (func(), error) {
	fault := map[string]any{"kind": "latency", "latency": added.String(), "operation": operation, "percent": percent, "for": "5m"}
	if _, err := s.Inject(ctx, service, fault); err != nil {
		return nil, err
	}
	return func() { _ = s.Clear(context.WithoutCancel(ctx), service) }, nil
}

// flap delays all requests of an operation at times.
func (s *shop) flap(ctx context.Context, service, operation string, added, on, off time.Duration) (func(), error) {
	lift, err := s.delay(ctx, service, operation, added, 100)
	if err != nil {
		return nil, err
	}
	return background(ctx, func(ctx context.Context) {
		for {
			more := uptest.Sleep(ctx, on)
			lift()
			if !more || !uptest.Sleep(ctx, off) {
				return
			}
			if lift, err = s.delay(ctx, service, operation, added, 100); err != nil {
				return
			}
		}
	}), nil
}

// traffic sends rps more requests/s of the usual kinds.
func (s *shop) traffic(ctx context.Context, rps float64) (func(), error) {
	return background(ctx, func(ctx context.Context) {
		_, _ = load.Run(ctx, load.Config{Gateway: s.Endpoints["gateway"], RPS: rps, Seed: 7})
	}), nil
}

// largeCarts fills carts with 30 to 90 products and checks them out, one per second.
func (s *shop) largeCarts(ctx context.Context) (func(), error) {
	return background(ctx, func(ctx context.Context) {
		var g sync.WaitGroup
		defer g.Wait()
		for n := 0; uptest.Sleep(ctx, time.Second); n++ {
			g.Go(func() {
				key := identity.APIKey(n % identity.Users)
				for i := range 30 + (n*17)%61 {
					s.post(ctx, key, "/cart/items", map[string]any{"product_id": catalog.ProductID((n*91 + i) % catalog.Products), "quantity": 1})
				}
				s.post(ctx, key, "/checkout", map[string]any{"payment_method": "card"})
			})
		}
	}), nil
}

// post sends a customer's request. Its failures are the storefront's to report.
func (s *shop) post(ctx context.Context, key, path string, body map[string]any) {
	payload, err := json.Marshal(body)
	if err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoints["gateway"]+path, bytes.NewReader(payload))
	if err != nil {
		return
	}
	req.Header.Set("X-API-Key", key)
	req.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
	}
}
