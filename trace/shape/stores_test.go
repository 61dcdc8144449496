package shape_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/shape"
)

// TestSharedStores covers which spans name one database.
func TestSharedStores(t *testing.T) {
	span := func(service string, attributes ...string) trace.Span {
		s := trace.Span{ID: service + fmt.Sprint(len(attributes)), Service: service, Kind: trace.Client, Attributes: map[string]string{}, Resource: map[string]string{}}
		for i := 0; i+1 < len(attributes); i += 2 {
			if key, ok := strings.CutPrefix(attributes[i], "resource "); ok {
				s.Resource[key] = attributes[i+1]
				continue
			}
			s.Attributes[attributes[i]] = attributes[i+1]
		}
		return s
	}
	shop := []string{"db.system.name", "postgresql", "db.namespace", "shop", "server.address", "db.internal", "server.port", "5432", "db.collection.name", "orders"}
	for _, c := range []struct {
		name string
		a, b trace.Span
		want string
	}{
		{"one database and table", span("a", shop...), span("b", shop...), "a, b use one database: postgresql shop at db.internal:5432, tables orders"},
		{"one service", span("a", shop...), span("a", shop...), ""},
		{"earlier names, without the usual port", span("a", shop...), span("b", "db.system", "postgresql", "db.name", "shop", "net.peer.name", "DB.internal."),
			"a, b use one database: postgresql shop at db.internal:5432"},
		{"another database of the server", span("a", shop...), span("b", append(shop, "db.namespace", "bills")...), ""},
		{"another port", span("a", shop...), span("b", append(shop, "server.port", "5433")...), ""},
		{"another server", span("a", shop...), span("b", append(shop, "server.address", "db2.internal")...), ""},
		{"no name", span("a", "db.system.name", "postgresql", "server.address", "db.internal"), span("b", "db.system.name", "postgresql", "server.address", "db.internal"), ""},
		{"no server", span("a", "db.system.name", "sqlite", "db.namespace", "main"), span("b", "db.system.name", "sqlite", "db.namespace", "main"), ""},
		{"loopback of hosts that are not known", span("a", append(shop, "server.address", "127.0.0.1")...), span("b", append(shop, "server.address", "127.0.0.1")...),
			"not sure: the address is that of the service's own host"},
		{"loopback of one host", span("a", append(shop, "server.address", "::1", "resource host.name", "h")...), span("b", append(shop, "server.address", "::1", "resource host.name", "h")...),
			"a, b use one database: postgresql shop at [::1]:5432, tables orders"},
		{"loopback of two pods", span("a", append(shop, "server.address", "localhost", "resource k8s.pod.name", "a-1")...),
			span("b", append(shop, "server.address", "localhost", "resource k8s.pod.name", "b-1")...), ""},
		{"a short name in two namespaces", span("a", append(shop, "server.address", "db", "resource k8s.namespace.name", "x")...),
			span("b", append(shop, "server.address", "db", "resource k8s.namespace.name", "y")...), ""},
		{"a short name", span("a", append(shop, "server.address", "db")...), span("b", append(shop, "server.address", "db")...), "not sure: the host's name has no domain"},
		{"host and port in one", span("a", shop...), span("b", "db.system", "postgresql", "db.name", "shop", "server.address", "db.internal:5432"),
			"a, b use one database: postgresql shop at db.internal:5432"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shape.Of(&trace.Trace{Spans: []trace.Span{c.a, c.b}})
			got := fmt.Sprint(s.SharedStores)
			if c.want == "" && len(s.SharedStores) > 0 || c.want != "" && (len(s.SharedStores) != 1 || !strings.Contains(got, c.want)) {
				t.Errorf("%s, want %q", got, c.want)
			}
		})
	}
}

// TestStoresAreBounded: names without end take bounded memory and give a short list.
func TestStoresAreBounded(t *testing.T) {
	var s shape.Stores
	for i := range 11_000 {
		for _, service := range []string{"a", "b"} {
			s.Add(&trace.Trace{Spans: []trace.Span{{Service: service, Attributes: map[string]string{"db.namespace": fmt.Sprint("n", i), "server.address": "db.internal",
				"db.collection.name": fmt.Sprint(i)}}}})
		}
	}
	if got := len(s.Shared()); got != 20 {
		t.Errorf("%d listed", got)
	}
}
