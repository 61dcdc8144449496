package torture

import (
	"fmt"
	"maps"
	"slices"
)

// Customers holds what the customers know.
type Customers struct {
	// Acknowledged holds the acknowledged orders by their ID.
	Acknowledged map[string]Checkout
	// Added holds the quantity that a user put into the cart at most, by user and product.
	Added map[string]map[string]int64
}

// Checkout identifies a checkout: a user and an idempotency key.
type Checkout struct{ User, Key string }

// Violation is a broken invariant.
type Violation struct{ Invariant, Detail string }

// invariant is a statement that holds once all sagas have ended.
type invariant struct {
	name  string
	check func(*books) findings // what breaks it
}

// invariants lists all of them.
var invariants = []invariant{
	{"an acknowledged order is placed once", acknowledged},
	{"a checkout places one order", checkouts},
	{"an order is charged once", chargedOnce},
	{"no charge without an order", chargesHaveOrders},
	{"stock adds up", stock},
	{"reservations are sold or released", reservations},
	{"an order is shipped once", shippedOnce},
	{"a shipment has one message", messages},
	{"an order is in the topics", topics},
	{"no saga is stuck", sagas},
	{"the outbox is empty", outbox},
	{"nothing is ordered that is not in the cart", carts},
}

// Invariants returns the names of the invariants that Check checks.
func Invariants() []string {
	var names []string
	for _, i := range invariants {
		names = append(names, i.name)
	}
	return names
}

// Check checks all invariants.
func Check(l Ledger, c Customers, restock int64) []Violation {
	b := &books{Ledger: l, Customers: c, restock: restock, placed: map[string]Order{}, sagas: map[Checkout]Saga{}}
	for _, o := range l.Orders {
		if o.State == placed {
			b.placed[o.ID] = o
		}
	}
	for _, s := range l.Sagas {
		b.sagas[Checkout{s.User, s.Key}] = s
	}
	var out []Violation
	for _, i := range invariants {
		for _, detail := range i.check(b) {
			out = append(out, Violation{i.name, detail})
		}
	}
	return out
}

// books holds the ledger, indexed for the invariants.
type books struct {
	Ledger
	Customers
	restock int64
	placed  map[string]Order // by ID
	sagas   map[Checkout]Saga
}

// orders returns the IDs of the placed orders.
func (b *books) orders() []string { return slices.Sorted(maps.Keys(b.placed)) }

// findings collects what breaks an invariant.
type findings []string

func (f *findings) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

func acknowledged(b *books) (f findings) {
	for _, id := range slices.Sorted(maps.Keys(b.Acknowledged)) {
		c := b.Acknowledged[id]
		switch o, ok := b.placed[id]; {
		case !ok:
			f.add("order %s of %s, key %s, was acknowledged but is not placed", id, c.User, c.Key)
		case o.User != c.User:
			f.add("order %s of %s was acknowledged to %s", id, o.User, c.User)
		}
		if b.sagas[c].Order != id {
			f.add("order %s was acknowledged for key %s of %s, whose saga is another or missing", id, c.Key, c.User)
		}
	}
	return f
}

func checkouts(b *books) (f findings) {
	count := map[Checkout]int{}
	of := map[string]int{}
	for _, s := range b.Sagas {
		of[s.Order]++
		if _, ok := b.placed[s.Order]; ok {
			count[Checkout{s.User, s.Key}]++
		}
	}
	for c, n := range count {
		if n > 1 {
			f.add("key %s of %s placed %d orders", c.Key, c.User, n)
		}
	}
	seen := map[string]int{}
	for _, o := range b.Orders {
		if seen[o.ID]++; seen[o.ID] > 1 {
			f.add("order %s is stored %d times", o.ID, seen[o.ID])
		}
	}
	for _, id := range b.orders() {
		if of[id] != 1 {
			f.add("order %s has %d sagas", id, of[id])
		}
	}
	return f
}

func chargedOnce(b *books) (f findings) {
	charges := map[string][]Charge{}
	for _, c := range b.Charges {
		charges[c.Key] = append(charges[c.Key], c)
	}
	for _, id := range b.orders() {
		o := b.placed[id]
		list := charges[id]
		if len(list) != 1 || list[0].State != charged {
			f.add("order %s has charges %+v", id, list)
			continue
		}
		if c := list[0]; c.ID != o.Charge || c.Amount != o.Total || c.User != o.User {
			f.add("order %+v has charge %+v", o, c)
		}
	}
	return f
}

func chargesHaveOrders(b *books) (f findings) {
	for _, c := range b.Charges {
		if _, ok := b.placed[c.Key]; !ok && c.State != refunded {
			f.add("charge %+v has no order", c)
		}
	}
	return f
}

func stock(b *books) (f findings) {
	taken := map[string]int64{}
	for _, r := range b.Reservations {
		if r.State != released {
			taken[r.Product] += r.Quantity
		}
	}
	for product := range taken {
		if _, ok := b.Stock[product]; !ok {
			f.add("%d of %s are reserved, which has no stock", taken[product], product)
		}
	}
	for product, available := range b.Stock {
		if available+taken[product] != b.restock {
			f.add("%s: %d available and %d reserved or sold are not %d", product, available, taken[product], b.restock)
		}
	}
	return f
}

func reservations(b *books) (f findings) {
	lines := map[string]map[string]int64{}
	for _, r := range b.Reservations {
		o, ok := b.placed[r.ID]
		switch {
		case !ok && r.State != released:
			f.add("%d of %s are %s for %s, which is not placed", r.Quantity, r.Product, r.State, r.ID)
		case ok && r.State != sold:
			f.add("%d of %s are %s for the placed order %s", r.Quantity, r.Product, r.State, o.ID)
		}
		if lines[r.ID] == nil {
			lines[r.ID] = map[string]int64{}
		}
		lines[r.ID][r.Product] += r.Quantity
	}
	for _, id := range b.orders() {
		if o := b.placed[id]; !maps.Equal(o.Items, lines[id]) {
			f.add("order %s has items %v and reservations %v", id, o.Items, lines[id])
		}
	}
	return f
}

func shippedOnce(b *books) (f findings) {
	count := map[string]int{}
	for _, s := range b.Shipments {
		count[s.Order]++
		o, ok := b.placed[s.Order]
		switch {
		case !ok:
			f.add("shipment %s is of %s, which is not placed", s.ID, s.Order)
		case o.User != s.User:
			f.add("order %s of %s is shipped to %s", o.ID, o.User, s.User)
		case !s.Announced:
			f.add("shipment %s of order %s was not announced", s.ID, s.Order)
		}
	}
	for _, id := range b.orders() {
		if count[id] != 1 {
			f.add("order %s has %d shipments", id, count[id])
		}
	}
	return f
}

func messages(b *books) (f findings) {
	count := map[string]int{}
	for _, m := range b.Messages {
		count[m.Shipment]++
	}
	for _, s := range b.Shipments {
		if count[s.ID] != 1 {
			f.add("shipment %s of order %s has %d messages", s.ID, s.Order, count[s.ID])
		}
		delete(count, s.ID)
	}
	for shipment, n := range count {
		f.add("%d messages are about %s, which is no shipment", n, shipment)
	}
	return f
}

func topics(b *books) (f findings) {
	for _, topic := range []string{orderTopic, shippedTopic} {
		for _, id := range b.orders() {
			if b.Records[topic][id] == 0 {
				f.add("order %s is not in topic %s", id, topic)
			}
		}
		for id := range b.Records[topic] {
			if _, ok := b.placed[id]; !ok {
				f.add("topic %s has order %s, which is not placed", topic, id)
			}
		}
	}
	return f
}

func sagas(b *books) (f findings) {
	for _, s := range b.Sagas {
		_, ok := b.placed[s.Order]
		switch {
		case s.State == started:
			f.add("saga %s of %s, key %s, has not ended", s.Order, s.User, s.Key)
		case (s.State == done) != ok:
			f.add("saga %s is %s, its order is placed: %v", s.Order, s.State, ok)
		case s.State == done && s.Answer != s.Order:
			f.add("saga %s answers order %s", s.Order, s.Answer)
		}
	}
	return f
}

func outbox(b *books) (f findings) {
	for _, e := range b.Outbox {
		f.add("the event of order %s is not published %s", e.Order, e.Refused)
	}
	return f
}

func carts(b *books) (f findings) {
	ordered := map[string]map[string]int64{}
	for _, o := range b.placed {
		if ordered[o.User] == nil {
			ordered[o.User] = map[string]int64{}
		}
		for product, n := range o.Items {
			ordered[o.User][product] += n
		}
	}
	for user, products := range ordered {
		for product, n := range products {
			if most := b.Added[user][product]; n > most {
				f.add("%s ordered %d of %s and put at most %d into the cart", user, n, product, most)
			}
		}
	}
	return f
}

// Unsettled returns the number of sagas, events, shipments and messages that are not
// finished.
func Unsettled(l Ledger) int {
	n := len(l.Outbox)
	for _, s := range l.Sagas {
		if s.State == started {
			n++
		}
	}
	placedOrders := 0
	for _, o := range l.Orders {
		if o.State == placed {
			placedOrders++
		}
	}
	for _, s := range l.Shipments {
		if !s.Announced {
			n++
		}
	}
	return n + max(placedOrders-len(l.Shipments), 0) + max(len(l.Shipments)-len(l.Messages), 0)
}
