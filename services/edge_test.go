package services_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/runtime"
)

func badRequests(t *testing.T, s *storefront) {
	for _, c := range []struct {
		why, method, path, body string
		user                    int
		status                  int
		says                    string
	}{
		{"no credential", "POST", "/checkout", `{"payment_method":"card"}`, -1, 401, "X-API-Key"},
		{"an empty body", "POST", "/checkout", ``, 20, 400, "empty"},
		{"malformed JSON", "POST", "/checkout", `{"payment_method":`, 20, 400, "not the expected JSON"},
		{"an unknown field", "POST", "/checkout", `{"payment_method":"card","coupon":1}`, 20, 400, "coupon"},
		{"two JSON values", "POST", "/checkout", `{"payment_method":"card"} {}`, 20, 400, "more after"},
		{"an unknown payment method", "POST", "/checkout", `{"payment_method":"shells"}`, 20, 400, "card, wallet or invoice"},
		{"an empty cart", "POST", "/checkout", `{"payment_method":"card"}`, 20, 422, "cart is empty"},
		{"an oversized body", "POST", "/cart/items", `{"product_id":"` + strings.Repeat("x", 70<<10) + `"}`, 20, 413, "64 KiB"},
		{"an unknown product", "POST", "/cart/items", `{"product_id":"p-999","quantity":1}`, 20, 404, "p-999"},
		{"no quantity", "POST", "/cart/items", `{"product_id":"p-001"}`, 20, 400, "quantity"},
		{"a wrong number", "GET", "/products?limit=many", ``, -1, 400, "limit"},
		{"no query", "GET", "/search", ``, -1, 400, "query"},
		{"a query that is no UTF-8", "GET", "/search?q=%ff%fe", ``, -1, 400, "UTF-8"},
		{"a path that is no UTF-8", "GET", "/products/%ff", ``, -1, 400, "UTF-8"},
		{"a product of endless name", "GET", "/products/" + strings.Repeat("x", 20<<10), ``, -1, 400, "at most 64 bytes"},
		{"half a thing", "POST", "/cart/items", `{"product_id":"p-001","quantity":1.5}`, 20, 400, "quantity must be a whole number"},
		{"a list", "POST", "/cart/items", `[]`, 20, 400, "the body must be a JSON object"},
		{"a brace too many", "POST", "/cart/items", `{"product_id":"p-001","quantity":1}}`, 20, 400, "more after"},
		{"an unknown API key", "POST", "/sessions", `{"api_key":"guess"}`, -1, 401, "unknown API key"},
	} {
		t.Run(c.why, func(t *testing.T) {
			a := s.ask(t, c.user, c.method, c.path, c.body)
			var e struct {
				Error string `json:"error"`
			}
			if err := json.Unmarshal([]byte(a.body), &e); err != nil {
				t.Fatalf("%d %q is no JSON error: %v", a.status, a.body, err)
			}
			if a.status != c.status || !strings.Contains(e.Error, c.says) {
				t.Errorf("%d %q, want %d with %q", a.status, e.Error, c.status, c.says)
			}
		})
	}
	// What the standard mux answers itself.
	if a := s.ask(t, -1, http.MethodDelete, "/checkout", ""); a.status != http.StatusMethodNotAllowed {
		t.Errorf("a wrong method: %d", a.status)
	}
	if a := s.ask(t, -1, http.MethodGet, "/nowhere", ""); a.status != http.StatusNotFound {
		t.Errorf("a wrong path: %d", a.status)
	}
	lift := s.inject(t, "catalog", `{"kind":"error","code":"INTERNAL"}`)
	defer lift()
	if a := s.ask(t, -1, http.MethodGet, "/products", ""); a.status != http.StatusInternalServerError || !strings.Contains(a.body, "try again") {
		t.Errorf("a failing service: %d %s", a.status, a.body)
	}
}

func browse(t *testing.T, s *storefront) {
	if a := s.must(t, -1, http.MethodGet, "/products?category=books&limit=5", ""); strings.Count(a.body, `"id"`) != 5 {
		t.Errorf("five books: %s", a.body)
	}
	if a := s.must(t, -1, http.MethodGet, "/products/p-042", ""); !strings.Contains(a.body, `"id":"p-042"`) {
		t.Errorf("product page: %s", a.body)
	}
	if a := s.must(t, -1, http.MethodGet, "/search?q=Kettle", ""); !strings.Contains(a.body, "kettle") {
		t.Errorf("search: %s", a.body)
	}
	if a := s.must(t, -1, http.MethodGet, "/search?q=%25", ""); strings.Contains(a.body, `"id"`) {
		t.Errorf("a percent sign is no wildcard: %s", a.body)
	}
	var session struct {
		Token string `json:"token"`
	}
	a := s.must(t, -1, http.MethodPost, "/sessions", `{"api_key":"demo-key-030"}`)
	if err := json.Unmarshal([]byte(a.body), &session); err != nil {
		t.Fatal(err)
	}
	bearer := []string{"Authorization", "Bearer " + session.Token}
	s.must(t, -1, http.MethodPost, "/cart/items", `{"product_id":"p-042","quantity":3}`, bearer...)
	if a := s.must(t, -1, http.MethodGet, "/cart", "", bearer...); !strings.Contains(a.body, `"quantity":3`) {
		t.Errorf("cart: %s", a.body)
	}
	s.must(t, -1, http.MethodDelete, "/cart/items/p-042", "", bearer...)
	if a := s.must(t, -1, http.MethodGet, "/cart", "", bearer...); strings.Contains(a.body, "p-042") {
		t.Errorf("cart after removal: %s", a.body)
	}
}

func adminPages(t *testing.T, s *storefront) {
	for _, name := range services.Names() {
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/chaos": 401, "/debug/pprof/": 401} {
			resp, err := http.Get(s.admin[name] + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != want {
				t.Errorf("%s %s: %d, want %d (%v)", name, path, resp.StatusCode, want, err)
			}
			family := "hop_self_duration_seconds"
			if name == "loyalty" {
				family = "http_request_duration_seconds" // plain promhttp
			}
			if path == "/metrics" && !strings.Contains(string(body), family) {
				t.Errorf("%s serves no %s", name, family)
			}
		}
	}
}

func TestRunRefusesAnUnknownService(t *testing.T) {
	err := services.Run(context.Background(), "warehouse", runtime.Config{})
	if err == nil || !strings.Contains(err.Error(), "gateway") {
		t.Errorf("%v names no services", err)
	}
	if services.Operations("warehouse") != nil {
		t.Error("operations of an unknown service")
	}
	if len(services.Names()) != 13 {
		t.Errorf("%d services", len(services.Names()))
	}
	for _, name := range services.Names() {
		if len(services.Operations(name)) == 0 {
			t.Errorf("%s declares no operations", name)
		}
	}
}
