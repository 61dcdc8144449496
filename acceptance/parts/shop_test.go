package parts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/jaeger"
	"github.com/tenhop/tenhop/query/traces"
	"github.com/tenhop/tenhop/services/catalog"
	"github.com/tenhop/tenhop/services/identity"
	"github.com/tenhop/tenhop/trace"
)

// customers is the number of customers that buy before the first fault. One more buys during
// each.
const customers = 3

// shop is a storefront with an optional part.
type shop struct{ *uptest.Storefront }

// request is a response that the test got.
type request struct {
	operation   string
	correlation string // ID that the response names
	customer    int    // of a checkout
	order       string // of a checkout
}

// visit searches and buys as a customer whom the shoppers rarely are. A shopper who is the
// same customer may buy what is in the cart; then the customer fills it again.
func (s *shop) visit(t *testing.T, customer int) []request {
	t.Helper()
	found := s.ask(t, customer, http.MethodGet, "/search?q=kettle", nil, nil)
	for range 5 {
		s.ask(t, customer, http.MethodPost, "/cart/items", map[string]any{"product_id": catalog.ProductID(1 + customer), "quantity": 1}, nil)
		var order struct {
			ID string `json:"order_id"`
		}
		status, bought := s.try(t, customer, http.MethodPost, "/checkout", map[string]string{"payment_method": "card"}, &order)
		switch status {
		case http.StatusCreated:
			return []request{{"GET /search", found, customer, ""}, {"POST /checkout", bought, customer, order.ID}}
		case http.StatusUnprocessableEntity: // the cart is empty
		default:
			t.Fatalf("POST /checkout: %d", status)
		}
	}
	t.Fatal("the cart is always empty")
	return nil
}

// ask makes a request that must succeed, and returns its correlation ID.
func (s *shop) ask(t *testing.T, customer int, method, path string, body, into any) string {
	t.Helper()
	status, id := s.try(t, customer, method, path, body, into)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d", method, path, status)
	}
	return id
}

// try makes a request, decodes the response to one that succeeds, and returns its status and
// correlation ID.
func (s *shop) try(t *testing.T, customer int, method, path string, body, into any) (int, string) {
	t.Helper()
	payload, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.Endpoints["gateway"]+path, bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", identity.APIKey(identity.Users-1-customer))
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if into != nil && resp.StatusCode/100 == 2 {
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	id := resp.Header.Get("X-Correlation-Id")
	if id == "" {
		t.Fatalf("%s %s: the response has no correlation ID", method, path)
	}
	return resp.StatusCode, id
}

// delivered holds each order to be in the customer's list, and to have been shipped and
// announced in the trace of its checkout.
func (s *shop) delivered(t *testing.T, requests []request) {
	t.Helper()
	orders := 0
	for _, r := range requests {
		if r.order == "" {
			continue
		}
		orders++
		var list struct{ Orders []struct{ ID string } }
		s.ask(t, r.customer, http.MethodGet, "/orders", nil, &list)
		if !slices.ContainsFunc(list.Orders, func(o struct{ ID string }) bool { return o.ID == r.order }) {
			t.Errorf("order %s is not in the list of its customer", r.order)
		}
		s.traceOf(t, r, func(tr trace.Trace) error {
			for _, consumer := range []string{"shipping", "notification"} {
				if !slices.ContainsFunc(tr.Spans, func(sp trace.Span) bool { return sp.Service == consumer && sp.Kind == trace.Consumer && !sp.Failed }) {
					return fmt.Errorf("%s has not handled order %s", consumer, r.order)
				}
			}
			return nil
		})
	}
	if orders == 0 {
		t.Error("nobody ordered")
	}
	t.Logf("%d orders were accepted, and all of them shipped and announced", orders)
}

// traceOf returns the trace of a request once it has what is wanted. Its spans all have the
// correlation ID of the response.
func (s *shop) traceOf(t *testing.T, r request, want func(trace.Trace) error) trace.Trace {
	t.Helper()
	var found trace.Trace
	var last error
	for deadline := time.Now().Add(arrival); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		tr, err := traces.ByCorrelation(t.Context(), s.jaeger(t), r.correlation, query.Search{Service: "gateway", From: time.Now().Add(-time.Hour), To: time.Now()})
		if err == nil {
			found = *tr
			if err = want(found); err == nil {
				break
			}
		}
		last = err
	}
	if last != nil && (len(found.Spans) == 0 || want(found) != nil) {
		t.Fatalf("%s with correlation ID %s: %v within %s", r.operation, r.correlation, last, arrival)
	}
	for _, sp := range found.Spans {
		if id := sp.Attributes["correlation_id"]; id != r.correlation {
			t.Errorf("%s: the span %s %s has the correlation ID %q, and the response %s", r.operation, sp.Service, sp.Operation, id, r.correlation)
		}
	}
	return found
}

func (s *shop) jaeger(t *testing.T) *jaeger.Client {
	t.Helper()
	client, err := jaeger.New(s.Endpoints["jaeger"], nil)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// reached holds the trace of a request to reach each part. It is the last one of its operation:
// the search engine gets the products after the start.
func (s *shop) reached(t *testing.T, on switched, requests []request) {
	t.Helper()
	for _, v := range on.visits {
		of := slices.DeleteFunc(slices.Clone(requests), func(r request) bool { return r.operation != v.operation })
		last := of[len(of)-1]
		var spans []trace.Span
		tr := s.traceOf(t, last, func(tr trace.Trace) error {
			if spans = v.spans(tr); len(spans) == 0 {
				return errors.New("no span of " + v.what)
			}
			return nil
		})
		t.Logf("%s with correlation ID %s reaches %s: %s %s, one of %d such spans of %d in %d services",
			v.operation, last.correlation, v.what, spans[0].Service, spans[0].Operation, len(spans), len(tr.Spans), len(tr.Services()))
	}
}

// perSearch is the number of traces that one search returns at most.
const perSearch = 300

// search calls do with all stored traces of an operation that began in a time. A time with
// more traces than a search returns is searched in halves; do may get a trace twice.
func (s *shop) search(t *testing.T, operation string, from, to time.Time, do func(trace.Trace)) {
	t.Helper()
	found, err := s.jaeger(t).Traces(t.Context(), query.Search{Service: "gateway", Operation: operation, From: from, To: to, Limit: perSearch})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < perSearch {
		for _, tr := range found {
			do(tr)
		}
		return
	}
	middle := from.Add(to.Sub(from) / 2).Truncate(time.Microsecond) // the resolution of a search
	if !middle.After(from) {
		t.Fatalf("%d traces of %s or more began at %s", len(found), operation, from)
	}
	s.search(t, operation, from, middle, do)
	s.search(t, operation, middle, to, do)
}

// undisturbed holds all requests since a time to have had no error of a part.
func (s *shop) undisturbed(t *testing.T, on switched, since time.Time) {
	t.Helper()
	until := time.Now()
	read := map[string]map[string]bool{} // operation, ID of a trace
	spans, failed := make([]int, len(on.visits)), make([]int, len(on.visits))
	for _, v := range on.visits {
		if read[v.operation] != nil {
			continue
		}
		known := map[string]bool{}
		read[v.operation] = known
		s.search(t, v.operation, since, until, func(tr trace.Trace) {
			if known[tr.ID] {
				return
			}
			known[tr.ID] = true
			for i, of := range on.visits {
				if of.operation != v.operation {
					continue
				}
				for _, sp := range of.spans(tr) {
					if spans[i]++; sp.Failed {
						failed[i]++
						t.Errorf("%s %s failed in trace %s: %s", sp.Service, sp.Operation, tr.ID, sp.StatusMessage)
					}
				}
			}
		})
	}
	for i, v := range on.visits {
		if spans[i] == 0 {
			t.Errorf("no span of %s in %d traces of %s", v.what, len(read[v.operation]), v.operation)
		}
		t.Logf("%d spans of %s in all %d stored traces of %s in %s, %d of them errors",
			spans[i], v.what, len(read[v.operation]), v.operation, until.Sub(since).Round(time.Second), failed[i])
	}
}

// value returns the value of an expression that Prometheus must know.
func (s *shop) value(t *testing.T, expr string) float64 {
	t.Helper()
	v, ok := s.Value(t.Context(), expr)
	if !ok {
		t.Errorf("%s has no value", expr)
	}
	return v
}
