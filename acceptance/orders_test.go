package acceptance_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/tenhop/tenhop/services/catalog"
	"github.com/tenhop/tenhop/services/identity"
)

// customer is nobody that the shoppers of the tests play at the same moment.
const customer = identity.Users - 1

// placeOrder checks out once and returns the customer's orders.
func placeOrder(t *testing.T, s *storefront) []string {
	t.Helper()
	ask(t, s, http.MethodPost, "/cart/items", map[string]any{"product_id": catalog.ProductID(1), "quantity": 1}, nil)
	ask(t, s, http.MethodPost, "/checkout", map[string]string{"payment_method": "card"}, nil)
	return orders(t, s)
}

// orders returns the IDs of the customer's orders.
func orders(t *testing.T, s *storefront) []string {
	t.Helper()
	var answer struct {
		Orders []struct {
			ID string `json:"id"`
		} `json:"orders"`
	}
	ask(t, s, http.MethodGet, "/orders", nil, &answer)
	var ids []string
	for _, o := range answer.Orders {
		ids = append(ids, o.ID)
	}
	return ids
}

func ask(t *testing.T, s *storefront, method, path string, body, into any) {
	t.Helper()
	payload, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, s.state.Endpoints["gateway"]+path, bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", identity.APIKey(customer))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
	if into != nil {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
}

func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }
