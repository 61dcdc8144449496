package gateway

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/hop"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/faults"
)

type product struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Category    string `json:"category"`
	Description string `json:"description"`
	PriceCents  int64  `json:"price_cents"`
}

type item struct {
	ProductID string `json:"product_id"`
	Quantity  int32  `json:"quantity"`
}

func productOf(p *pb.Product) product {
	return product{ID: p.GetId(), Name: p.GetName(), Category: p.GetCategory(), Description: p.GetDescription(), PriceCents: p.GetPrice()}
}

func products(ps *pb.Products) map[string]any {
	out := make([]product, len(ps.GetProducts()))
	for i, p := range ps.GetProducts() {
		out[i] = productOf(p)
	}
	return map[string]any{"products": out}
}

func items(in []*pb.Item) []item {
	out := make([]item, len(in))
	for i, it := range in {
		out[i] = item{ProductID: it.GetProductId(), Quantity: it.GetQuantity()}
	}
	return out
}

func (s *server) openSession(w http.ResponseWriter, r *http.Request) {
	var in struct {
		APIKey string `json:"api_key"`
	}
	if !decode(w, r, &in) {
		return
	}
	var session *pb.Session
	if !s.verify(w, r, in.APIKey, func() (err error) {
		session, err = s.identity.OpenSession(r.Context(), &pb.OpenSessionRequest{ApiKey: in.APIKey})
		return err
	}) {
		return
	}
	if !s.users.allow(session.GetUser().GetId()) {
		tooMany(w)
		return
	}
	answer(w, http.StatusCreated, map[string]string{"token": session.GetToken(), "user_id": session.GetUser().GetId()})
}

func (s *server) listProducts(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, ok := number(w, q.Get("limit"), "limit")
	if !ok {
		return
	}
	offset, ok := number(w, q.Get("offset"), "offset")
	if !ok {
		return
	}
	ps, err := s.catalog.ListProducts(r.Context(), &pb.ListProductsRequest{Category: q.Get("category"), Limit: limit, Offset: offset})
	if err != nil {
		failed(w, r, err)
		return
	}
	answer(w, http.StatusOK, products(ps))
}

// number reads an optional count. If it returns false, it has written the response.
func number(w http.ResponseWriter, s, name string) (int32, bool) {
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		fail(w, http.StatusBadRequest, name+" must be a whole number that is not negative")
		return 0, false
	}
	return int32(n), true
}

func (s *server) getProduct(w http.ResponseWriter, r *http.Request) {
	p, err := s.catalog.GetProduct(r.Context(), &pb.GetProductRequest{ProductId: r.PathValue("id")})
	if err != nil {
		failed(w, r, err)
		return
	}
	answer(w, http.StatusOK, productOf(p))
}

func (s *server) search(w http.ResponseWriter, r *http.Request) {
	ps, err := s.catalog.Search(r.Context(), &pb.SearchRequest{Query: r.URL.Query().Get("q")})
	if err != nil {
		failed(w, r, err)
		return
	}
	answer(w, http.StatusOK, products(ps))
}

type userHandler func(http.ResponseWriter, *http.Request, *pb.User)

// verify asks identity about a credential, within the quota of guesses. If it returns
// false, it has written the response.
func (s *server) verify(w http.ResponseWriter, r *http.Request, credential string, ask func() error) bool {
	if !s.guesses.may(r, credential) {
		tooMany(w)
		return false
	}
	err := ask()
	switch {
	case err == nil:
		s.guesses.right(credential)
		return true
	case status.Code(err) == codes.Unauthenticated:
		s.guesses.missed(r)
	}
	failed(w, r, err)
	return false
}

// signedIn passes on requests with a valid API key or session.
func (s *server) signedIn(next userHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := credential(r)
		if c == "" {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "sign in: send X-API-Key, or Authorization: Bearer with a token from POST /sessions")
			return
		}
		var u *pb.User
		if !s.verify(w, r, c, func() (err error) {
			u, err = s.identity.Authenticate(r.Context(), &pb.AuthenticateRequest{Credential: c})
			return err
		}) {
			return
		}
		if !s.users.allow(u.GetId()) {
			tooMany(w)
			return
		}
		hop.SetAttributes(r.Context(), attribute.String("customer.tier", u.GetTier()), attribute.String("region", u.GetRegion()))
		next(w, r, u)
	}
}

func (s *server) getCart(w http.ResponseWriter, r *http.Request, u *pb.User) {
	c, err := s.cart.GetCart(r.Context(), &pb.GetCartRequest{UserId: u.GetId()})
	if err != nil {
		failed(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"items": items(c.GetItems())})
}

func (s *server) addItem(w http.ResponseWriter, r *http.Request, u *pb.User) {
	var in item
	if !decode(w, r, &in) {
		return
	}
	c, err := s.cart.AddItem(r.Context(), &pb.AddItemRequest{UserId: u.GetId(), ProductId: in.ProductID, Quantity: in.Quantity})
	if err != nil {
		failed(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"items": items(c.GetItems())})
}

func (s *server) removeItem(w http.ResponseWriter, r *http.Request, u *pb.User) {
	c, err := s.cart.RemoveItem(r.Context(), &pb.RemoveItemRequest{UserId: u.GetId(), ProductId: r.PathValue("id")})
	if err != nil {
		failed(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"items": items(c.GetItems())})
}

// storeCard passes the number of a card to payment, which alone handles it. It is in no
// attribute, log line or error of this service.
func (s *server) storeCard(w http.ResponseWriter, r *http.Request, u *pb.User) {
	var in struct {
		Number string `json:"number"`
	}
	if !decode(w, r, &in) {
		return
	}
	c, err := s.payment.StoreCard(r.Context(), &pb.StoreCardRequest{UserId: u.GetId(), Number: in.Number})
	if err != nil {
		failed(w, r, err)
		return
	}
	answer(w, http.StatusCreated, map[string]any{"card_token": c.GetCardToken(), "last_four": c.GetLastFour()})
}

func (s *server) placeOrder(w http.ResponseWriter, r *http.Request, u *pb.User) {
	var in struct {
		PaymentMethod string `json:"payment_method"`
		CardToken     string `json:"card_token"`
	}
	if !decode(w, r, &in) {
		return
	}
	switch in.PaymentMethod {
	case "card", "wallet", "invoice":
	default:
		fail(w, http.StatusBadRequest, "payment_method must be card, wallet or invoice")
		return
	}
	hop.SetAttributes(r.Context(), attribute.String("payment.method", in.PaymentMethod))
	if in.CardToken != "" && (in.PaymentMethod != "card" || len(in.CardToken) > 64) {
		fail(w, http.StatusBadRequest, "card_token goes with the payment_method card; POST /cards returns one")
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 128 {
		fail(w, http.StatusBadRequest, "Idempotency-Key is longer than 128 bytes")
		return
	}
	o, err := s.checkout.PlaceOrder(r.Context(), &pb.PlaceOrderRequest{UserId: u.GetId(), PaymentMethod: in.PaymentMethod, IdempotencyKey: key, CardToken: in.CardToken})
	if err != nil {
		failed(w, r, err)
		return
	}
	answer(w, http.StatusCreated, map[string]any{"order_id": o.GetOrderId(), "total_cents": o.GetTotal(), "charge_id": o.GetChargeId()})
}

func (s *server) listOrders(w http.ResponseWriter, r *http.Request, u *pb.User) {
	os, err := s.order.ListOrders(r.Context(), &pb.ListOrdersRequest{UserId: u.GetId()})
	if err != nil {
		failed(w, r, err)
		return
	}
	if f, on := s.chaos.On(r.Context(), faults.NPlusOneName); on {
		if err := s.lookUp(r.Context(), os.GetOrders(), faults.Times(f)); err != nil {
			failed(w, r, err)
			return
		}
	}
	type order struct {
		ID            string `json:"id"`
		TotalCents    int64  `json:"total_cents"`
		ChargeID      string `json:"charge_id"`
		CreatedUnixMs int64  `json:"created_unix_ms"`
		Items         []item `json:"items"`
	}
	out := make([]order, len(os.GetOrders()))
	for i, o := range os.GetOrders() {
		out[i] = order{ID: o.GetId(), TotalCents: o.GetTotal(), ChargeID: o.GetChargeId(), CreatedUnixMs: o.GetCreatedUnixMs(), Items: items(o.GetItems())}
	}
	answer(w, http.StatusOK, map[string]any{"orders": out})
}

// lookUp asks for each product of each order, so many times.
func (s *server) lookUp(ctx context.Context, orders []*pb.OrderRecord, times int) error {
	for _, o := range orders {
		for _, it := range o.GetItems() {
			for range times {
				if _, err := s.catalog.GetProduct(ctx, &pb.GetProductRequest{ProductId: it.GetProductId()}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
