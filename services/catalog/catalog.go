// Package catalog stores the products and searches them.
package catalog

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"regexp"
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

// maxPage is the maximum number of products in a list.
const maxPage = 100

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{
		Name: "catalog",
		Operations: []string{"tenhop.v1.Catalog/ListProducts", "tenhop.v1.Catalog/GetProduct",
			"tenhop.v1.Catalog/GetProducts", "tenhop.v1.Catalog/Search"},
		Fields: func(_ context.Context, _ string, req any) map[string]string {
			switch r := req.(type) {
			case *pb.GetProductRequest:
				return map[string]string{"product.id": r.GetProductId()}
			case *pb.ListProductsRequest:
				return map[string]string{"product.category": r.GetCategory()}
			}
			return nil
		},
		Build: build,
	}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		return runtime.Service{}, err
	}
	if err := seed(ctx, store); err != nil {
		return runtime.Service{}, err
	}
	s := &server{store: store}
	service := runtime.Service{GRPC: func(r grpc.ServiceRegistrar) { pb.RegisterCatalogServer(r, s) }}
	if e.Search != "" {
		if s.index, err = openIndex(e, store, indexName); err != nil {
			return runtime.Service{}, err
		}
		service.Background = append(service.Background, s.index.keep)
	}
	return service, nil
}

type server struct {
	pb.UnimplementedCatalogServer
	store *runtime.Store
	index *index // nil without a search engine
}

const columns = "id, name, category, description, price"

func (s *server) ListProducts(ctx context.Context, req *pb.ListProductsRequest) (*pb.Products, error) {
	q, args := "SELECT "+columns+" FROM products", []any{}
	if c := req.GetCategory(); c != "" {
		q, args = q+" WHERE category = ?", append(args, c)
	}
	args = append(args, page(req.GetLimit()), max(req.GetOffset(), 0))
	return s.list(ctx, q+" ORDER BY id LIMIT ? OFFSET ?", args...)
}

func (s *server) Search(ctx context.Context, req *pb.SearchRequest) (*pb.Products, error) {
	words := strings.TrimSpace(req.GetQuery())
	if words == "" || len(words) > 200 {
		return nil, status.Error(codes.InvalidArgument, "the query must have 1 to 200 bytes")
	}
	if s.index != nil {
		if found, ok, err := s.index.search(ctx, words, page(req.GetLimit())); ok || err != nil {
			return found, err
		}
	}
	like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(words)) + "%"
	return s.list(ctx, "SELECT "+columns+` FROM products WHERE LOWER(name) LIKE ? ESCAPE '\' ORDER BY id LIMIT ?`, like, page(req.GetLimit()))
}

// maxID is the maximum length of a product ID in bytes. A longer ID is neither
// looked up nor sent back.
const maxID = 64

func (s *server) GetProduct(ctx context.Context, req *pb.GetProductRequest) (*pb.Product, error) {
	if len(req.GetProductId()) > maxID {
		return nil, status.Errorf(codes.InvalidArgument, "a product's ID has at most %d bytes", maxID)
	}
	var p pb.Product
	err := s.store.QueryRow(ctx, "SELECT "+columns+" FROM products WHERE id = ?", req.GetProductId()).
		Scan(&p.Id, &p.Name, &p.Category, &p.Description, &p.Price)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, status.Error(codes.NotFound, unknown(req.GetProductId()))
	}
	if err != nil {
		return nil, err
	}
	hop.SetAttributes(ctx, attribute.String("product.category", p.GetCategory()))
	return &p, nil
}

var productID = regexp.MustCompile(`^p-[0-9]{1,9}$`)

// unknown returns the text of an error about an ID. The text reaches logs and spans, so
// it repeats only what has the form of an ID, no password or card number.
func unknown(id string) string {
	if !productID.MatchString(id) {
		return "no such product; an ID is p- and a number"
	}
	return fmt.Sprintf("no product %q", id)
}

func (s *server) GetProducts(ctx context.Context, req *pb.GetProductsRequest) (*pb.Products, error) {
	ids := req.GetProductIds()
	if len(ids) == 0 {
		return &pb.Products{}, nil
	}
	if len(ids) > maxPage {
		return nil, status.Errorf(codes.InvalidArgument, "at most %d products at once", maxPage)
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	return s.list(ctx, "SELECT "+columns+" FROM products WHERE id IN (?"+strings.Repeat(", ?", len(ids)-1)+") ORDER BY id", args...)
}

func (s *server) list(ctx context.Context, q string, args ...any) (*pb.Products, error) {
	rows, err := s.store.Query(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := &pb.Products{}
	for rows.Next() {
		var p pb.Product
		if err := rows.Scan(&p.Id, &p.Name, &p.Category, &p.Description, &p.Price); err != nil {
			return nil, err
		}
		out.Products = append(out.Products, &p)
	}
	return out, rows.Err()
}

func page(limit int32) int32 {
	if limit <= 0 || limit > maxPage {
		return 20
	}
	return limit
}
