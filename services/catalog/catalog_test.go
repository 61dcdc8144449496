package catalog

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// TestCatalog runs the same checks on each database, and with the search engine before
// each of them.
func TestCatalog(t *testing.T) {
	storetest.Each(t, "catalog", func(t *testing.T, e *runtime.Env) { check(t, open(t, e)) })
	t.Run("opensearch", func(t *testing.T) {
		storetest.Each(t, "catalog", func(t *testing.T, e *runtime.Env) {
			e.Search = storetest.Search(t)
			s := open(t, e)
			check(t, s)
			wantStores(t, s, map[string]float64{"engine ": 6})
		})
	})
}

// open returns a server on a seeded store, with a complete index if there is an engine.
func open(t *testing.T, e *runtime.Env) *server {
	t.Helper()
	ctx := t.Context()
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a restart seeds nothing twice
		if err := seed(ctx, store); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{store: store}
	if e.Search == "" {
		return s
	}
	name := "test-" + strings.ToLower(rand.Text())
	if s.index, err = openIndex(e, store, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = call(context.Background(), s.index.engine.Unmeasured, http.MethodDelete, "/"+name, nil, nil)
	})
	for range 2 { // nor does it index anything twice
		s.index.indexed = false
		if err := s.index.prepare(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s.index.timeout = time.Minute // an engine that has just started is slow on a busy machine
	s.index.ready.Store(true)
	return s
}

// wantStores compares catalog_searches_total, by store and reason.
func wantStores(t *testing.T, s *server, want map[string]float64) {
	t.Helper()
	for _, store := range []string{storeEngine, storeDatabase} {
		for _, reason := range []string{"", reasonNotReady, reasonTimeout, reasonUnavailable, reasonRefused} {
			if (store == storeEngine) != (reason == "") {
				continue
			}
			if got := testutil.ToFloat64(s.index.searches.total.WithLabelValues(store, reason)); got != want[store+" "+reason] {
				t.Errorf("%v searches by %s %s, want %v", got, store, reason, want[store+" "+reason])
			}
		}
	}
}

func check(t *testing.T, s *server) {
	t.Helper()
	ctx := t.Context()
	page, err := s.ListProducts(ctx, &pb.ListProductsRequest{Category: "books", Limit: 3, Offset: 1})
	if err != nil || len(page.GetProducts()) != 3 || page.GetProducts()[0].GetCategory() != "books" {
		t.Errorf("a page of books: %v %v", page, err)
	}
	for _, c := range []struct {
		why, query string
		want       int
		code       codes.Code
	}{
		{"a word, whatever its case", "KETTLE", 20, codes.OK},
		{"one product by its number", "no. 42", 1, codes.OK},
		{"a wildcard is a letter like any other", "%", 0, codes.OK},
		{"and so are its escape", `\`, 0, codes.OK},
		{"and an underscore", "o_k", 0, codes.OK},
		{"a quote ends no literal", "' OR 1=1 --", 0, codes.OK},
		{"nothing is not everything", "  ", 0, codes.InvalidArgument},
		{"a novel", strings.Repeat("x", 201), 0, codes.InvalidArgument},
	} {
		got, err := s.Search(ctx, &pb.SearchRequest{Query: c.query})
		if len(got.GetProducts()) != c.want || status.Code(err) != c.code {
			t.Errorf("%s: %d products, %v", c.why, len(got.GetProducts()), err)
		}
	}
	some, err := s.GetProducts(ctx, &pb.GetProductsRequest{ProductIds: []string{ProductID(5), ProductID(1), "p-999"}})
	if err != nil || len(some.GetProducts()) != 2 {
		t.Errorf("two of three exist: %v %v", some, err)
	}
	if _, err := s.GetProducts(ctx, &pb.GetProductsRequest{ProductIds: make([]string, maxPage+1)}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("too many at once: %v", err)
	}
	if _, err := s.GetProduct(ctx, &pb.GetProductRequest{ProductId: "p-999"}); status.Code(err) != codes.NotFound {
		t.Errorf("%v", err)
	}
}
