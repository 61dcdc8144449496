// Package inventory stores stock and its reservations.
package inventory

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/hop"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Restock is the stock of a product that has no row yet, in pieces.
const Restock = 1_000_000

// threshold is the stock below which a product is refilled, so that a demo never runs
// out.
const threshold = 1_000

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{
		Name:       "inventory",
		Operations: []string{"tenhop.v1.Inventory/Reserve", "tenhop.v1.Inventory/Release", "tenhop.v1.Inventory/Commit"},
		Build:      build,
	}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		return runtime.Service{}, err
	}
	s := &server{store: store}
	return runtime.Service{GRPC: func(r grpc.ServiceRegistrar) { pb.RegisterInventoryServer(r, s) }}, nil
}

type server struct {
	pb.UnimplementedInventoryServer
	store *runtime.Store
}

// whole is the product of the line that stands for a reservation as a whole. Reserve and
// Release write it first, so that one waits for the other's transaction and sees what it
// did. Otherwise both could commit, and a released reservation would be held.
const whole = ""

// Reserve reserves all items or none. It is idempotent.
func (s *server) Reserve(ctx context.Context, req *pb.ReserveRequest) (*pb.ReserveResponse, error) {
	if req.GetReservationId() == "" {
		return nil, status.Error(codes.InvalidArgument, "reservation_id is missing")
	}
	hop.SetAttributes(ctx, attribute.Int("cart.items", len(req.GetItems())))
	err := s.store.InTx(ctx, func(tx runtime.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO reservations (id, product_id, quantity, state) VALUES (?, ?, 0, 'held') ON CONFLICT (id, product_id) DO NOTHING",
			req.GetReservationId(), whole)
		if err != nil {
			return err
		}
		var have, released int
		err = tx.QueryRow(ctx, `SELECT COALESCE(SUM(CASE WHEN product_id <> '' THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN state = 'released' THEN 1 ELSE 0 END), 0)
			FROM reservations WHERE id = ?`, req.GetReservationId()).Scan(&have, &released)
		switch {
		case err != nil:
			return err
		case released > 0:
			return status.Error(codes.Aborted, "this reservation was released")
		case have > 0:
			return nil
		}
		for _, it := range inOrder(req.GetItems()) {
			if err := take(ctx, tx, req.GetReservationId(), it); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &pb.ReserveResponse{}, nil
}

// inOrder sorts items by product, so that reservations that meet lock rows in one order.
func inOrder(items []*pb.Item) []*pb.Item {
	return slices.SortedStableFunc(slices.Values(items), func(a, b *pb.Item) int { return strings.Compare(a.GetProductId(), b.GetProductId()) })
}

func take(ctx context.Context, tx runtime.Tx, reservation string, it *pb.Item) error {
	if it.GetQuantity() < 1 {
		return status.Errorf(codes.InvalidArgument, "quantity %d of %s", it.GetQuantity(), it.GetProductId())
	}
	// Another reservation may add or refill the product meanwhile: what it took must stay
	// taken.
	_, err := tx.Exec(ctx, "INSERT INTO stock (product_id, available) VALUES (?, ?) ON CONFLICT (product_id) DO NOTHING", it.GetProductId(), Restock)
	if err == nil {
		_, err = tx.Exec(ctx, "UPDATE stock SET available = ? WHERE product_id = ? AND available < ?", Restock, it.GetProductId(), threshold)
	}
	if err != nil {
		return fmt.Errorf("stock of %s: %w", it.GetProductId(), err)
	}
	res, err := tx.Exec(ctx, "UPDATE stock SET available = available - ? WHERE product_id = ? AND available >= ?",
		it.GetQuantity(), it.GetProductId(), it.GetQuantity())
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, status.Errorf(codes.FailedPrecondition, "not enough of %s in stock", it.GetProductId()))
	}
	_, err = tx.Exec(ctx, "INSERT INTO reservations (id, product_id, quantity, state) VALUES (?, ?, ?, 'held')",
		reservation, it.GetProductId(), it.GetQuantity())
	return err
}

// Release cancels a reservation. It is idempotent. A reservation that does not exist
// yet can no longer be made, because its request may still be in flight.
func (s *server) Release(ctx context.Context, req *pb.ReleaseRequest) (*pb.ReleaseResponse, error) {
	err := s.store.InTx(ctx, func(tx runtime.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO reservations (id, product_id, quantity, state) VALUES (?, ?, 0, 'released')
			ON CONFLICT (id, product_id) DO UPDATE SET state = 'released' WHERE reservations.state = 'held'`, req.GetReservationId(), whole)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE stock SET available = available + (
			SELECT r.quantity FROM reservations r WHERE r.id = ? AND r.product_id = stock.product_id AND r.state = 'held')
			WHERE product_id IN (SELECT product_id FROM reservations WHERE id = ? AND state = 'held')`,
			req.GetReservationId(), req.GetReservationId())
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE reservations SET state = 'released' WHERE id = ? AND state = 'held'", req.GetReservationId())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &pb.ReleaseResponse{}, nil
}

// Commit makes a reservation final.
func (s *server) Commit(ctx context.Context, req *pb.CommitRequest) (*pb.CommitResponse, error) {
	_, err := s.store.Exec(ctx, "UPDATE reservations SET state = 'sold' WHERE id = ? AND state = 'held'", req.GetReservationId())
	if err != nil {
		return nil, err
	}
	return &pb.CommitResponse{}, nil
}
