package services_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/tenhop/tenhop/services/runtime/storetest"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/shape"
)

// TestSharedStoreIsFound gives two services schemas of one database. The spans of a checkout
// show that they share it.
func TestSharedStoreIsFound(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		shared := storetest.Postgres(t)
		on := standIns(t)
		for _, name := range []string{"inventory", "pricing"} {
			on.store[name] = inSchema(t, shared, name)
		}
		on.store["payment"] = storetest.Postgres(t) // another database of the server
		u, err := url.Parse(shared)
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, on)
		s.must(t, 7, http.MethodPost, "/cart/items", `{"product_id":"p-001","quantity":1}`)
		placed(t, s.must(t, 7, http.MethodPost, "/checkout", `{"payment_method":"card"}`))
		var found []shape.SharedStore
		until(t, "the spans show a shared store", func() error {
			if found = s.spans.sharedStores(); len(found) == 0 {
				return fmt.Errorf("none of %v", found)
			}
			return nil
		})
		if len(found) != 1 || !slices.Equal(found[0].Services, []string{"inventory", "pricing"}) || found[0].System != "postgresql" ||
			"/"+found[0].Namespace != u.Path || found[0].Address != u.Host {
			t.Errorf("%+v, want one of inventory and pricing at %s%s", found, u.Host, u.Path)
		}
		t.Log(found[0])
	})
}

// inSchema creates a schema and returns the URL of the database that uses it.
func inSchema(t *testing.T, database, schema string) string {
	t.Helper()
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+pgQuoted(schema)); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// sharedStores returns the databases that spans of several services name.
func (c *collector) sharedStores() []shape.SharedStore {
	c.mu.Lock()
	defer c.mu.Unlock()
	var tr trace.Trace
	for _, s := range c.spans {
		tr.Spans = append(tr.Spans, trace.Span{ID: s.id, Parent: s.parent, Service: s.service, Operation: s.name, Kind: trace.Client, Attributes: s.attributes})
	}
	var stores shape.Stores
	stores.Add(&tr)
	return stores.Shared()
}
