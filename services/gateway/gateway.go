// Package gateway implements the public edge of the storefront. It authenticates and
// limits HTTP requests and translates them to gRPC. It stores no data.
package gateway

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/httpmw"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/faults"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/resilience"
)

// maxBody is the maximum size of a request body in bytes.
const maxBody = 64 << 10

// answerWithin is the timeout of a request, so that a hung hop becomes an error.
const answerWithin = 15 * time.Second

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{
		Name: "gateway",
		Operations: []string{"POST /sessions", "GET /products", "GET /products/{id}", "GET /search", "GET /cart",
			"POST /cart/items", "DELETE /cart/items/{id}", "POST /checkout", "GET /orders"},
		Kinds:  []chaos.Implementation{faults.NPlusOne("GET /orders")},
		Public: true,
		Build:  build,
	}
}

func build(_ context.Context, e *runtime.Env) (runtime.Service, error) {
	conns := map[string]*grpc.ClientConn{}
	for _, name := range []string{"identity", "catalog", "cart", "checkout", "order", "payment"} {
		conn, err := e.Dial(name)
		if err != nil {
			return runtime.Service{}, err
		}
		conns[name] = conn
	}
	s := &server{
		chaos:     e.Chaos,
		identity:  pb.NewIdentityClient(conns["identity"]),
		catalog:   pb.NewCatalogClient(conns["catalog"]),
		cart:      pb.NewCartClient(conns["cart"]),
		checkout:  pb.NewCheckoutClient(conns["checkout"]),
		order:     pb.NewOrderClient(conns["order"]),
		payment:   pb.NewPaymentClient(conns["payment"]),
		addresses: newLimiter(perAddress),
		users:     newLimiter(perUser),
		guesses:   newGuesses(perGuess),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sessions", s.openSession)
	mux.HandleFunc("GET /products", s.listProducts)
	mux.HandleFunc("GET /products/{id}", s.getProduct)
	mux.HandleFunc("GET /search", s.search)
	mux.HandleFunc("GET /cart", s.signedIn(s.getCart))
	mux.HandleFunc("POST /cart/items", s.signedIn(s.addItem))
	mux.HandleFunc("DELETE /cart/items/{id}", s.signedIn(s.removeItem))
	mux.HandleFunc("POST /cards", s.signedIn(s.storeCard))
	mux.HandleFunc("POST /checkout", s.signedIn(s.placeOrder))
	mux.HandleFunc("GET /orders", s.signedIn(s.listOrders))
	limited := s.limited(texts(e.Chaos.Handler(mux)))
	handler := e.Handler(resilience.Shed(cmp.Or(e.MaxInFlight, maxInFlight), e.Telemetry.Registerer(), overloaded, limited), mux, httpmw.WithPublicEdge())
	return runtime.Service{HTTP: handler}, nil
}

// maxInFlight is the default of Config.MaxInFlight. The storefront's own load has a tenth of it in
// flight if each request takes 3 s, and two fifths if each hangs until its deadline.
const maxInFlight = 512

// overloaded answers a request that was not handled. It is an error of the server: customers
// did nothing wrong.
func overloaded(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "1")
	fail(w, http.StatusServiceUnavailable, "the storefront is overloaded; please try again")
}

type server struct {
	chaos    *chaos.Injector
	identity pb.IdentityClient
	catalog  pb.CatalogClient
	cart     pb.CartClient
	checkout pb.CheckoutClient
	order    pb.OrderClient
	payment  pb.PaymentClient // for cards only

	addresses, users *limiter
	guesses          *guesses
}

// limited limits rate, body size and duration of every request.
func (s *server) limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.addresses.allow(address(r)) {
			tooMany(w)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	fail(w, http.StatusTooManyRequests, "too many requests; slow down")
}
