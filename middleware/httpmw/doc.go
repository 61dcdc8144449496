// Package httpmw measures HTTP servers and clients. Each request has a correlation
// ID, a span and RED metrics with exemplars. At the server it also has a log line
// and a self time.
//
// A complete program:
//
//	package main
//
//	import (
//		"log"
//		"net/http"
//
//		"github.com/tenhop/tenhop/middleware/hop"
//		"github.com/tenhop/tenhop/middleware/httpmw"
//	)
//
//	func main() {
//		client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithDependency("stock"))}
//		mux := http.NewServeMux()
//		mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
//			req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://stock/"+r.PathValue("id"), nil)
//			if err != nil {
//				http.Error(w, "bad id", http.StatusBadRequest)
//				return
//			}
//			resp, err := client.Do(req)
//			if err != nil {
//				http.Error(w, "stock is unavailable", http.StatusBadGateway)
//				return
//			}
//			defer resp.Body.Close()
//			_ = resp.Write(w)
//		})
//		mux.Handle("GET /metrics", hop.Default().MetricsHandler())
//		log.Fatal(http.ListenAndServe(":8080", httpmw.Handler(mux)))
//	}
//
// A handler must make its calls with the request's context. The time of other calls
// counts as the handler's self time.
//
// With a *http.ServeMux, the route is the pattern that matches the request. For a
// mux behind middleware that copies the request, use WithMux. For other routers,
// use WithRouteFunc, or call SetRoute in a handler.
package httpmw
