package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// stockHeader says where the gateway's flag puts the stock of a request's item. The
// gateway sets or deletes it on every request.
const stockHeader = "X-Stock-At"

// shop is the monolith. Its module orders calls the module stock in the process, or the
// service that it became.
type shop struct {
	stock  *stock
	client *http.Client
	url    string // of the stock service
}

func (s *shop) register(mux *http.ServeMux) {
	mux.HandleFunc("PUT /items/{item}/orders/{order}", s.place)
}

// place orders one piece of an item. It is idempotent: the caller chooses the order's ID.
func (s *shop) place(w http.ResponseWriter, r *http.Request) {
	item, order := r.PathValue("item"), r.PathValue("order")
	reserve := s.stock.reserve
	if r.Header.Get(stockHeader) == "service" {
		reserve = s.reserve
	}
	left, err := reserve(r.Context(), item, order)
	if err == nil {
		_, err = s.stock.db.ExecContext(r.Context(), "INSERT INTO orders (id, item) VALUES (?, ?) ON CONFLICT (id) DO NOTHING", order, item)
	}
	answer(w, item, left, err)
}

// reserve asks the stock service.
func (s *shop) reserve(ctx context.Context, item, order string) (left int, err error) {
	u := s.url + "/items/" + url.PathEscape(item) + "/reservations/" + url.PathEscape(order)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, u, nil)
	if err != nil {
		return 0, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return decodeLeft(resp.Body)
	case http.StatusConflict:
		return 0, errSoldOut
	}
	return 0, errors.New(fmt.Sprint("stock answered ", resp.Status))
}
