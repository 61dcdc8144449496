package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"

	"github.com/tenhop/tenhop/services/catalog"
	"github.com/tenhop/tenhop/services/identity"
)

// action is one request of a journey.
type action struct {
	operation string
	do        func(context.Context, *shopper) error
}

// shopper is one customer during a journey.
type shopper struct {
	client  *http.Client
	gateway string
	key     string
	rng     *rand.Rand
}

// journeys lists the kinds of journeys with their weights. A checkout journey fills the
// cart first. Of 100 requests, 30 are checkouts.
var journeys = []struct {
	weight  int
	actions []action
}{
	{14, []action{browse}},
	{12, []action{search}},
	{16, []action{view}},
	{6, []action{addToCart, seeCart}},
	{6, []action{history}},
	{46, []action{addToCart, checkout}},
}

var (
	browse = action{"GET /products", func(ctx context.Context, s *shopper) error {
		category := []string{"kitchen", "garden", "books", "audio", "outdoor", "toys"}[s.rng.IntN(6)]
		return s.call(ctx, http.MethodGet, "/products?limit=20&category="+category, nil)
	}}
	search = action{"GET /search", func(ctx context.Context, s *shopper) error {
		word := []string{"oak", "kettle", "lamp", "wool tent", "speaker", "glass"}[s.rng.IntN(6)]
		return s.call(ctx, http.MethodGet, "/search?q="+url.QueryEscape(word), nil)
	}}
	view = action{"GET /products/{id}", func(ctx context.Context, s *shopper) error {
		return s.call(ctx, http.MethodGet, "/products/"+s.product(), nil)
	}}
	addToCart = action{"POST /cart/items", func(ctx context.Context, s *shopper) error {
		return s.call(ctx, http.MethodPost, "/cart/items", map[string]any{"product_id": s.product(), "quantity": 1 + s.rng.IntN(3)})
	}}
	seeCart = action{"GET /cart", func(ctx context.Context, s *shopper) error { return s.call(ctx, http.MethodGet, "/cart", nil) }}
	history = action{"GET /orders", func(ctx context.Context, s *shopper) error { return s.call(ctx, http.MethodGet, "/orders", nil) }}

	checkout = action{"POST /checkout", func(ctx context.Context, s *shopper) error {
		method := []string{"card", "card", "card", "wallet", "invoice"}[s.rng.IntN(5)]
		return s.call(ctx, http.MethodPost, "/checkout", map[string]string{"payment_method": method})
	}}
)

func (s *shopper) product() string { return catalog.ProductID(s.rng.IntN(catalog.Products)) }

func pickJourney(rng *rand.Rand) []action {
	total := 0
	for _, j := range journeys {
		total += j.weight
	}
	n := rng.IntN(total)
	for _, j := range journeys {
		if n -= j.weight; n < 0 {
			return j.actions
		}
	}
	return journeys[0].actions
}

func newShopper(client *http.Client, gateway string, n int, seed uint64) *shopper {
	return &shopper{client: client, gateway: gateway, key: identity.APIKey(n % identity.Users), rng: rand.New(rand.NewPCG(seed, uint64(n)))}
}

func (s *shopper) call(ctx context.Context, method, path string, body any) error {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.gateway+path, payload)
	if err != nil {
		return err
	}
	req.Header.Set("X-API-Key", s.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // allows the connection to be reused
	if resp.StatusCode >= 400 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}
