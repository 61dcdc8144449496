package torture

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of PostgreSQL stores
	_ "modernc.org/sqlite"             // the driver of SQLite stores
)

// Ledger is the content of the storefront's stores and topics.
type Ledger struct {
	Sagas        []Saga
	Orders       []Order
	Outbox       []Event
	Charges      []Charge
	Reservations []Reservation
	Stock        map[string]int64 // product to quantity
	Shipments    []Shipment
	Messages     []Message

	// Records counts the records by topic and order.
	Records map[string]map[string]int
}

// States in the stores.
const (
	started, done, failed    = "started", "done", "failed"
	placed, cancelled        = "placed", "cancelled"
	charged, refunded        = "charged", "refunded"
	held, sold, released     = "held", "sold", "released"
	orderTopic, shippedTopic = "orders.placed", "shipments.created"
)

// Saga is a checkout in the store of service checkout.
type Saga struct {
	Order, User, Key, State string
	Answer                  string // order ID of the recorded answer
}

// Order is an order in the store of service order.
type Order struct {
	ID, User, Charge, State string
	Total                   int64
	Items                   map[string]int64 // product to quantity
}

// Event is a row of the outbox.
type Event struct{ Order, Refused string }

// Charge is a charge in the store of service payment.
type Charge struct {
	ID, Key, User, State string
	Amount               int64
}

// Reservation is a line of a reservation in the store of service inventory.
type Reservation struct {
	ID, Product, State string
	Quantity           int64
}

// Shipment is a shipment in the store of service shipping.
type Shipment struct {
	ID, Order, User string
	Announced       bool
}

// Message is a message in the store of service notification.
type Message struct{ Shipment, User string }

// Stores opens the store of a service.
type Stores func(service string) (*sql.DB, error)

// ReadLedger reads all stores. The topics are left to ReadTopics.
func ReadLedger(ctx context.Context, open Stores) (Ledger, error) {
	l := Ledger{Stock: map[string]int64{}}
	var errs []error
	for _, table := range []struct {
		service, query string
		row            func(scan func(...any) error) error
	}{
		{"checkout", "SELECT order_id, user_id, idempotency_key, state, result FROM sagas", func(scan func(...any) error) error {
			var s Saga
			var result string
			if err := scan(&s.Order, &s.User, &s.Key, &s.State, &result); err != nil {
				return err
			}
			var err error
			s.Answer, err = answered(result)
			l.Sagas = append(l.Sagas, s)
			return err
		}},
		{"order", "SELECT id, user_id, charge_id, total, items, state FROM orders", func(scan func(...any) error) error {
			var o Order
			var items string
			if err := scan(&o.ID, &o.User, &o.Charge, &o.Total, &items, &o.State); err != nil {
				return err
			}
			var err error
			o.Items, err = quantities(items)
			l.Orders = append(l.Orders, o)
			return err
		}},
		{"order", "SELECT record_key, refused FROM outbox", func(scan func(...any) error) error {
			var e Event
			err := scan(&e.Order, &e.Refused)
			l.Outbox = append(l.Outbox, e)
			return err
		}},
		{"payment", "SELECT id, idempotency_key, user_id, amount, state FROM charges", func(scan func(...any) error) error {
			var c Charge
			err := scan(&c.ID, &c.Key, &c.User, &c.Amount, &c.State)
			l.Charges = append(l.Charges, c)
			return err
		}},
		// A line without a product stands for a reservation as a whole.
		{"inventory", "SELECT id, product_id, quantity, state FROM reservations WHERE product_id <> ''", func(scan func(...any) error) error {
			var r Reservation
			err := scan(&r.ID, &r.Product, &r.Quantity, &r.State)
			l.Reservations = append(l.Reservations, r)
			return err
		}},
		{"inventory", "SELECT product_id, available FROM stock", func(scan func(...any) error) error {
			var product string
			var available int64
			err := scan(&product, &available)
			l.Stock[product] = available
			return err
		}},
		{"shipping", "SELECT id, order_id, user_id, announced FROM shipments", func(scan func(...any) error) error {
			var s Shipment
			var announced int64
			err := scan(&s.ID, &s.Order, &s.User, &announced)
			s.Announced = announced != 0
			l.Shipments = append(l.Shipments, s)
			return err
		}},
		{"notification", "SELECT shipment_id, user_id FROM messages", func(scan func(...any) error) error {
			var m Message
			err := scan(&m.Shipment, &m.User)
			l.Messages = append(l.Messages, m)
			return err
		}},
	} {
		if err := each(ctx, open, table.service, table.query, table.row); err != nil {
			errs = append(errs, fmt.Errorf("read the store of %s: %w", table.service, err))
		}
	}
	return l, errors.Join(errs...)
}

// each calls row for each row of a query.
func each(ctx context.Context, open Stores, service, query string, row func(scan func(...any) error) error) error {
	db, err := open(service)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// answered returns the order ID of a saga's result.
func answered(result string) (string, error) {
	if result == "" {
		return "", nil
	}
	var r struct {
		Order string `json:"order_id"`
	}
	err := json.Unmarshal([]byte(result), &r)
	return r.Order, err
}

// quantities adds up the items of an order.
func quantities(items string) (map[string]int64, error) {
	var list []struct {
		Product  string `json:"product_id"`
		Quantity int64  `json:"quantity"`
	}
	if err := json.Unmarshal([]byte(items), &list); err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, it := range list {
		out[it.Product] += it.Quantity
	}
	return out, nil
}
