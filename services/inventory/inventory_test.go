package inventory

import (
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

func open(t *testing.T, e *runtime.Env) *server {
	t.Helper()
	store, err := e.OpenStore(t.Context(), migrations)
	if err != nil {
		t.Fatal(err)
	}
	return &server{store: store}
}

func (s *server) available(t *testing.T, product string) int64 {
	t.Helper()
	var n int64
	err := s.store.QueryRow(t.Context(), "SELECT COALESCE(SUM(available), 0) FROM stock WHERE product_id = ?", product).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func reserve(id string, items ...*pb.Item) *pb.ReserveRequest {
	return &pb.ReserveRequest{ReservationId: id, Items: items}
}

func TestReservations(t *testing.T) {
	storetest.Each(t, "inventory", func(t *testing.T, e *runtime.Env) {
		s, ctx := open(t, e), t.Context()
		one := &pb.Item{ProductId: "p-001", Quantity: 3}
		for range 2 { // a repeated request takes nothing more
			if _, err := s.Reserve(ctx, reserve("r1", one, &pb.Item{ProductId: "p-002", Quantity: 1})); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.available(t, "p-001"); got != Restock-3 {
			t.Errorf("%d of p-001 after a reservation of 3", got)
		}
		for range 2 { // a repeated release gives nothing more back
			if _, err := s.Release(ctx, &pb.ReleaseRequest{ReservationId: "r1"}); err != nil {
				t.Fatal(err)
			}
		}
		if a, b := s.available(t, "p-001"), s.available(t, "p-002"); a != Restock || b != Restock {
			t.Errorf("%d and %d after the release", a, b)
		}
		if _, err := s.Reserve(ctx, reserve("r1", one)); status.Code(err) != codes.Aborted {
			t.Errorf("a released reservation came back: %v", err)
		}
	})
}

func TestALateReservationStaysReleased(t *testing.T) {
	storetest.Each(t, "inventory", func(t *testing.T, e *runtime.Env) {
		s, ctx := open(t, e), t.Context()
		if _, err := s.Release(ctx, &pb.ReleaseRequest{ReservationId: "late"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Reserve(ctx, reserve("late", &pb.Item{ProductId: "p-001", Quantity: 1})); status.Code(err) != codes.Aborted {
			t.Errorf("%v", err)
		}
	})
}

func TestSoldIsSold(t *testing.T) {
	storetest.Each(t, "inventory", func(t *testing.T, e *runtime.Env) {
		s, ctx := open(t, e), t.Context()
		if _, err := s.Reserve(ctx, reserve("r2", &pb.Item{ProductId: "p-003", Quantity: 2})); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(ctx, &pb.CommitRequest{ReservationId: "r2"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Release(ctx, &pb.ReleaseRequest{ReservationId: "r2"}); err != nil {
			t.Fatal(err)
		}
		if got := s.available(t, "p-003"); got != Restock-2 {
			t.Errorf("%d after a sale of 2 and a release of it", got)
		}
	})
}

func TestAllOrNothing(t *testing.T) {
	storetest.Each(t, "inventory", func(t *testing.T, e *runtime.Env) {
		s, ctx := open(t, e), t.Context()
		good := &pb.Item{ProductId: "p-004", Quantity: 1}
		for why, bad := range map[string]*pb.Item{
			"more than the warehouse holds": {ProductId: "p-005", Quantity: Restock + 1},
			"a quantity of nothing":         {ProductId: "p-005"},
		} {
			if _, err := s.Reserve(ctx, reserve(why, good, bad)); err == nil {
				t.Errorf("%s: reserved", why)
			}
		}
		if got := s.available(t, "p-004"); got != 0 && got != Restock {
			t.Errorf("%d of the good item: a refused reservation took some", got)
		}
		if _, err := s.Reserve(ctx, reserve("")); status.Code(err) != codes.InvalidArgument {
			t.Errorf("no ID: %v", err)
		}
	})
}

// A release and a reservation that is still in flight may meet. Whichever comes first,
// nothing is held afterwards.
func TestReleaseMeetsReserve(t *testing.T) {
	storetest.Each(t, "inventory", func(t *testing.T, e *runtime.Env) {
		s := open(t, e)
		items := []*pb.Item{{ProductId: "p-001", Quantity: 1}, {ProductId: "p-002", Quantity: 2}}
		if _, err := s.Reserve(t.Context(), reserve("first", items...)); err != nil { // the products have rows now
			t.Fatal(err)
		}
		for n := range 100 {
			id := fmt.Sprint("r", n)
			var g sync.WaitGroup
			g.Go(func() {
				if _, err := s.Reserve(t.Context(), reserve(id, items...)); err != nil && status.Code(err) != codes.Aborted {
					t.Errorf("%s: %v", id, err)
				}
			})
			g.Go(func() {
				if _, err := s.Release(t.Context(), &pb.ReleaseRequest{ReservationId: id}); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			})
			g.Wait()
		}
		if got := s.available(t, "p-002"); got != Restock-2 {
			t.Errorf("%d of p-002 are missing", Restock-2-got)
		}
	})
}

// The first reservations of a product may meet. All of them take from its stock.
func TestFirstReservationsMeet(t *testing.T) {
	storetest.Each(t, "inventory", func(t *testing.T, e *runtime.Env) {
		s := open(t, e)
		for n := range 30 {
			product := fmt.Sprint("p-", n)
			var g sync.WaitGroup
			for i := range 3 {
				g.Go(func() {
					if _, err := s.Reserve(t.Context(), reserve(fmt.Sprint(product, i), &pb.Item{ProductId: product, Quantity: 1})); err != nil {
						t.Errorf("%s: %v", product, err)
					}
				})
			}
			g.Wait()
			if got := s.available(t, product); got != Restock-3 {
				t.Errorf("%s: %d available after 3 were reserved", product, got)
			}
		}
	})
}
