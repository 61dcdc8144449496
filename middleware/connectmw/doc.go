// Package connectmw measures ConnectRPC handlers and clients, in the protocols Connect,
// gRPC and gRPC-Web. Each call has a correlation ID, a span and RED metrics with
// exemplars. At the server it also has a log line and a self time.
//
// A complete program, with generated code in shopv1connect:
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"connectrpc.com/connect"
//
//		"example.com/shop/gen/shopv1connect"
//
//		"github.com/tenhop/tenhop/middleware/connectmw"
//		"github.com/tenhop/tenhop/middleware/hop"
//		"github.com/tenhop/tenhop/middleware/httpmw"
//	)
//
//	func main() {
//		// A client of another service.
//		stock := shopv1connect.NewStockClient(http.DefaultClient, "http://stock:8080",
//			connect.WithInterceptors(connectmw.ClientInterceptor("stock")))
//
//		// This service.
//		mux := http.NewServeMux()
//		mux.Handle(shopv1connect.NewCartHandler(&cart{stock: stock},
//			connect.WithInterceptors(connectmw.HandlerInterceptor())))
//		mux.Handle("GET /metrics", hop.Default().MetricsHandler())
//		log.Fatal(http.ListenAndServe(":8080", httpmw.Handler(mux)))
//	}
//
// httpmw.Handler in front is optional. With it, a call is one hop with one span, whose
// duration includes reading and writing the messages. It also measures what does not
// reach an interceptor: unknown procedures and malformed requests. Without it, a unary
// call is measured from the decoded request to the response.
//
// Names follow the semantic conventions for RPC. The name of the span and of the
// operation is "shop.v1.Cart/Add". The families, in seconds, are
// rpc_server_call_duration_seconds and rpc_client_call_duration_seconds, as those of
// grpcmw. rpc.system.name is connectrpc for the protocol Connect, and grpc for gRPC and
// gRPC-Web.
package connectmw
