package httpmw_test

import (
	"io"
	"log"
	"net/http"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// A service with one handler that calls another service.
func Example_service() {
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithDependency("stock"))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://stock:8080/levels/"+r.PathValue("id"), nil)
		if err != nil {
			http.Error(w, "bad item", http.StatusBadRequest)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, "stock is away", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(w, resp.Body)
	})
	mux.Handle("GET /metrics", hop.Default().MetricsHandler())
	log.Fatal(http.ListenAndServe(":8080", httpmw.Handler(mux)))
}
