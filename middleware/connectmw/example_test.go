package connectmw_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tenhop/tenhop/middleware/connectmw"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// Generated code has NewCartHandler and NewCartClient, which take the same options.
func Example() {
	tel, err := hop.New(hop.WithServiceName("cart"), hop.WithRegistry(prometheus.NewRegistry()))
	if err != nil {
		log.Fatal(err)
	}
	const add = "/shop.v1.Cart/Add"
	mux := http.NewServeMux()
	mux.Handle(add, connect.NewUnaryHandler(add, func(ctx context.Context, _ *connect.Request[emptypb.Empty]) (*connect.Response[emptypb.Empty], error) {
		fmt.Println(hop.EntryOf(ctx), hop.CorrelationID(ctx))
		return connect.NewResponse(&emptypb.Empty{}), nil
	}, connect.WithInterceptors(connectmw.HandlerInterceptor(connectmw.WithTelemetry(tel)))))
	srv := httptest.NewServer(httpmw.Handler(mux, httpmw.WithTelemetry(tel)))
	defer srv.Close()

	client := connect.NewClient[emptypb.Empty, emptypb.Empty](srv.Client(), srv.URL+add,
		connect.WithInterceptors(connectmw.ClientInterceptor("cart", connectmw.WithTelemetry(tel))))
	req := connect.NewRequest(&emptypb.Empty{})
	req.Header().Set("X-Correlation-ID", "order-42")
	resp, err := client.CallUnary(context.Background(), req)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(resp.Header().Get("X-Correlation-ID"))
	// Output:
	// shop.v1.Cart/Add order-42
	// order-42
}
