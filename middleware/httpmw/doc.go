// Package httpmw measures HTTP servers and clients: correlation ID, span, RED
// metrics with exemplars, one log line and self time for every request.
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
//				http.Error(w, "stock is away", http.StatusBadGateway)
//				return
//			}
//			defer resp.Body.Close()
//			_ = resp.Write(w)
//		})
//		mux.Handle("GET /metrics", hop.Default().MetricsHandler())
//		log.Fatal(http.ListenAndServe(":8080", httpmw.Handler(mux)))
//	}
//
// The handler must make its calls with the request's context: that is how a
// call's time is known not to be the handler's own.
//
// Routes: a *http.ServeMux is asked for its pattern, also behind middleware that
// copies the request (WithMux). Other routers: WithRouteFunc, or SetRoute from
// a handler.
package httpmw
