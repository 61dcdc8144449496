package torture

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/services/inventory"
	"github.com/tenhop/tenhop/services/runtime"
)

// sound fills the stores with two orders, one that failed and one that was refused.
var sound = map[string][]string{
	"checkout": {`INSERT INTO sagas (order_id, user_id, idempotency_key, payment_method, items, state, result, updated_unix_ms) VALUES
		('o-1', 'ada', 'k-1', 'card', '', 'done', '{"order_id":"o-1"}', 1), ('o-2', 'grace', 'k-1', 'card', '', 'done', '{"order_id":"o-2"}', 1),
		('o-3', 'ada', 'k-2', 'card', '', 'failed', '', 1)`},
	"order": {`INSERT INTO orders (id, user_id, charge_id, total, created_unix_ms, items, state) VALUES
		('o-1', 'ada', 'c-1', 500, 1, '[{"product_id":"p-1","quantity":2}]', 'placed'),
		('o-2', 'grace', 'c-2', 700, 1, '[{"product_id":"p-1","quantity":1},{"product_id":"p-2","quantity":1}]', 'placed'),
		('o-3', '', '', 0, 1, '[]', 'cancelled')`},
	"payment": {`INSERT INTO charges (id, idempotency_key, user_id, method, amount, state, created_unix_ms) VALUES
		('c-1', 'o-1', 'ada', 'card', 500, 'charged', 1), ('c-2', 'o-2', 'grace', 'card', 700, 'charged', 1), ('c-3', 'o-3', 'ada', 'card', 900, 'refunded', 1)`},
	"inventory": {`INSERT INTO reservations (id, product_id, quantity, state) VALUES
		('o-1', 'p-1', 2, 'sold'), ('o-2', 'p-1', 1, 'sold'), ('o-2', 'p-2', 1, 'sold'), ('o-3', 'p-1', 9, 'released'), ('o-3', '', 0, 'released')`,
		`INSERT INTO stock (product_id, available) VALUES ('p-1', 999997), ('p-2', 999999)`},
	"shipping": {`INSERT INTO shipments (id, order_id, user_id, region, carrier, announced) VALUES
		('s-1', 'o-1', 'ada', 'eu', 'x', 1), ('s-2', 'o-2', 'grace', 'eu', 'x', 1)`},
	"notification": {`INSERT INTO messages (shipment_id, user_id, recipient, body, sent_unix_ms) VALUES ('s-1', 'ada', '', '', 1), ('s-2', 'grace', '', '', 1)`},
}

// known holds what the customers of these orders know, and the topics' records.
func known() (Customers, map[string]map[string]int) {
	return Customers{
			Acknowledged: map[string]Checkout{"o-1": {"ada", "k-1"}, "o-2": {"grace", "k-1"}},
			Added:        map[string]map[string]int64{"ada": {"p-1": 2}, "grace": {"p-1": 1, "p-2": 1}},
		}, map[string]map[string]int{
			orderTopic: {"o-1": 1, "o-2": 2}, shippedTopic: {"o-1": 1, "o-2": 1},
		}
}

// storesIn creates the services' stores with their own migrations.
func storesIn(t *testing.T, dir string) Stores {
	t.Helper()
	for service, statements := range sound {
		e := &runtime.Env{Name: service, Telemetry: mwtest.New(t).Telemetry, Config: runtime.Config{Store: "sqlite://" + filepath.Join(dir, service+".db")}}
		store, err := e.OpenStore(t.Context(), os.DirFS(filepath.Join("..", "..", "services", service)))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range statements {
			if _, err := store.Exec(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", service, err)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return func(service string) (*sql.DB, error) { return sql.Open("sqlite", filepath.Join(dir, service+".db")) }
}

// broken is a way to break an invariant: statements per store, or what customers or
// topics know.
type broken struct {
	name   string
	sql    map[string]string
	know   func(*Customers, map[string]map[string]int)
	breaks []string // invariants, each of which must be reported

}

var ways = []broken{
	{name: "an acknowledged order is missing", know: func(c *Customers, _ map[string]map[string]int) { c.Acknowledged["o-9"] = Checkout{"ada", "k-9"} },
		breaks: []string{"an acknowledged order is placed once"}},
	{name: "an acknowledged order was cancelled", know: func(c *Customers, _ map[string]map[string]int) { c.Acknowledged["o-3"] = Checkout{"ada", "k-2"} },
		breaks: []string{"an acknowledged order is placed once"}},
	{name: "an order without a saga", sql: map[string]string{"checkout": "DELETE FROM sagas WHERE order_id = 'o-2'"},
		breaks: []string{"an acknowledged order is placed once", "a checkout places one order"}},
	{name: "an order is charged too much", sql: map[string]string{"payment": "UPDATE charges SET amount = 501 WHERE id = 'c-1'"},
		breaks: []string{"an order is charged once"}},
	{name: "an order is not charged", sql: map[string]string{"payment": "DELETE FROM charges WHERE id = 'c-1'"},
		breaks: []string{"an order is charged once"}},
	{name: "a placed order was refunded", sql: map[string]string{"payment": "UPDATE charges SET state = 'refunded'"},
		breaks: []string{"an order is charged once"}},
	{name: "a failed saga was not refunded", sql: map[string]string{"payment": "UPDATE charges SET state = 'charged'"},
		breaks: []string{"no charge without an order"}},
	{name: "a charge of nothing", sql: map[string]string{"payment": "INSERT INTO charges (id, idempotency_key, user_id, method, amount, state, created_unix_ms) VALUES ('c-9', 'o-9', 'ada', 'card', 1, 'charged', 1)"},
		breaks: []string{"no charge without an order"}},
	{name: "a piece is missing", sql: map[string]string{"inventory": "UPDATE stock SET available = available - 1 WHERE product_id = 'p-2'"},
		breaks: []string{"stock adds up"}},
	{name: "a product without stock", sql: map[string]string{"inventory": "DELETE FROM stock WHERE product_id = 'p-2'"},
		breaks: []string{"stock adds up"}},
	{name: "a released reservation has taken stock", sql: map[string]string{"inventory": "UPDATE stock SET available = available - 9 WHERE product_id = 'p-1'"},
		breaks: []string{"stock adds up"}},
	{name: "a failed saga holds a reservation", sql: map[string]string{
		"inventory": "UPDATE reservations SET state = 'held' WHERE id = 'o-3' AND product_id <> ''; UPDATE stock SET available = available - 9 WHERE product_id = 'p-1'"},
		breaks: []string{"reservations are sold or released"}},
	{name: "a placed order's reservation is held", sql: map[string]string{"inventory": "UPDATE reservations SET state = 'held' WHERE id = 'o-1'"},
		breaks: []string{"reservations are sold or released"}},
	{name: "an order has no reservation", sql: map[string]string{
		"inventory": "DELETE FROM reservations WHERE id = 'o-1'; UPDATE stock SET available = available + 2 WHERE product_id = 'p-1'"},
		breaks: []string{"reservations are sold or released"}},
	{name: "a shipment is missing", sql: map[string]string{"shipping": "DELETE FROM shipments WHERE id = 's-1'", "notification": "DELETE FROM messages WHERE shipment_id = 's-1'"},
		breaks: []string{"an order is shipped once"}},
	{name: "a cancelled order was shipped", sql: map[string]string{
		"shipping": "INSERT INTO shipments VALUES ('s-3', 'o-3', 'ada', 'eu', 'x', 1)", "notification": "INSERT INTO messages VALUES ('s-3', 'ada', '', '', 1)"},
		breaks: []string{"an order is shipped once"}},
	{name: "a shipment was not announced", sql: map[string]string{"shipping": "UPDATE shipments SET announced = 0 WHERE id = 's-1'"},
		breaks: []string{"an order is shipped once"}},
	{name: "a message is missing", sql: map[string]string{"notification": "DELETE FROM messages WHERE shipment_id = 's-1'"},
		breaks: []string{"a shipment has one message"}},
	{name: "a message about no shipment", sql: map[string]string{"notification": "INSERT INTO messages VALUES ('s-9', 'ada', '', '', 1)"},
		breaks: []string{"a shipment has one message"}},
	{name: "an order is not in its topic", know: func(_ *Customers, r map[string]map[string]int) { delete(r[orderTopic], "o-1") },
		breaks: []string{"an order is in the topics"}},
	{name: "a shipment is not in its topic", know: func(_ *Customers, r map[string]map[string]int) { delete(r[shippedTopic], "o-1") },
		breaks: []string{"an order is in the topics"}},
	{name: "a cancelled order is in a topic", know: func(_ *Customers, r map[string]map[string]int) { r[orderTopic]["o-3"]++ },
		breaks: []string{"an order is in the topics"}},
	{name: "a saga is stuck", sql: map[string]string{"checkout": "UPDATE sagas SET state = 'started' WHERE order_id = 'o-3'"},
		breaks: []string{"no saga is stuck"}},
	{name: "a saga failed, its order is placed", sql: map[string]string{"checkout": "UPDATE sagas SET state = 'failed' WHERE order_id = 'o-1'"},
		breaks: []string{"no saga is stuck"}},
	{name: "a saga answers another order", sql: map[string]string{"checkout": `UPDATE sagas SET result = '{"order_id":"o-2"}'`},
		breaks: []string{"no saga is stuck"}},
	{name: "an event was not published", sql: map[string]string{
		"order": "INSERT INTO outbox (id, topic, record_key, value, context, committed_unix_us) VALUES ('e', 'orders.placed', 'o-1', '', '', 1)"},
		breaks: []string{"the outbox is empty"}},
	{name: "two orders from one cart", know: func(c *Customers, _ map[string]map[string]int) { c.Added["ada"]["p-1"] = 1 },
		breaks: []string{"nothing is ordered that is not in the cart"}},
}

// Every invariant holds in sound stores, and stores that break it are reported.
func TestInvariants(t *testing.T) {
	tested := map[string]bool{}
	for _, way := range append(ways, broken{name: "sound"}) {
		t.Run(way.name, func(t *testing.T) {
			open := storesIn(t, t.TempDir())
			for service, statement := range way.sql {
				breakStore(t, open, service, statement)
			}
			l, err := ReadLedger(t.Context(), open)
			if err != nil {
				t.Fatal(err)
			}
			customers, records := known()
			if way.know != nil {
				way.know(&customers, records)
			}
			l.Records = records
			var got []string
			for _, v := range Check(l, customers, inventory.Restock) {
				if !slices.Contains(got, v.Invariant) {
					got = append(got, v.Invariant)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, slices.Sorted(slices.Values(way.breaks))) {
				t.Errorf("reported %q, want %q", got, way.breaks)
			}
		})
		for _, name := range way.breaks {
			tested[name] = true
		}
	}
	for _, name := range Invariants() {
		if !tested[name] {
			t.Errorf("no store breaks %q", name)
		}
	}
}

func breakStore(t *testing.T, open Stores, service, statement string) {
	t.Helper()
	db, err := open(service)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

// Work that is under way is not settled, whatever its kind.
func TestUnsettled(t *testing.T) {
	for service, statement := range map[string]string{
		"checkout":     "UPDATE sagas SET state = 'started' WHERE order_id = 'o-3'",
		"order":        "INSERT INTO outbox (id, topic, record_key, value, context, committed_unix_us) VALUES ('e', 'orders.placed', 'o-1', '', '', 1)",
		"shipping":     "DELETE FROM shipments WHERE id = 's-1'",
		"notification": "DELETE FROM messages WHERE shipment_id = 's-1'",
	} {
		open := storesIn(t, t.TempDir())
		for _, want := range []int{0, 1} {
			l, err := ReadLedger(t.Context(), open)
			if err != nil {
				t.Fatal(err)
			}
			if got := Unsettled(l); got != want {
				t.Errorf("%s: %d, want %d", service, got, want)
			}
			if want == 0 {
				breakStore(t, open, service, statement)
			}
		}
	}
}
