package httpmw_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "item ", r.PathValue("id"))
	})
	var log bytes.Buffer
	t, err := hop.New(hop.WithServiceName("shop"), hop.WithZerolog(zerolog.New(&log)), hop.WithRegistry(prometheus.NewRegistry()))
	if err != nil {
		panic(err)
	}
	srv := httptest.NewServer(httpmw.Handler(mux, httpmw.WithTelemetry(t)))
	req, _ := http.NewRequest(http.MethodGet, srv.URL+"/items/7", nil)
	req.Header.Set("X-Correlation-ID", "order-42")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	resp.Body.Close()
	srv.Close() // waits for the handler, and so for its log line
	fmt.Println(resp.Header.Get("X-Correlation-ID"))
	fmt.Print(regexp.MustCompile(`[\d.]+,"self_ms":[\d.]+`).ReplaceAllString(log.String(), `…,"self_ms":…`))
	// Output:
	// order-42
	// {"level":"info","service":"shop","correlation_id":"order-42","operation":"GET /items/{id}","duration_ms":…,"self_ms":…,"status":200,"bytes":6,"message":"request"}
}

func ExampleMiddleware() {
	chain := httpmw.Middleware(httpmw.WithPublicEdge(), httpmw.WithExclude("/healthz"))
	http.Handle("/", chain(http.NotFoundHandler()))
}

func ExampleTransport() {
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithDependency("stock"))}
	_ = client // calls with a request's context count as that request's wait for "stock"
}

func ExampleSetRoute() {
	// In a gin or echo middleware, after routing:
	handler := func(_ http.ResponseWriter, r *http.Request) {
		httpmw.SetRoute(r.Context(), "/items/:id")
	}
	http.Handle("/items/", httpmw.Handler(http.HandlerFunc(handler)))
}

// An adapter for an RPC protocol over HTTP reports how the call ended: its code is not the
// response's status.
func ExampleBeginRPC() {
	var log bytes.Buffer
	t, err := hop.New(hop.WithServiceName("shop"), hop.WithZerolog(zerolog.New(&log)), hop.WithRegistry(prometheus.NewRegistry()))
	if err != nil {
		panic(err)
	}
	h := httpmw.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		rpc, ok := httpmw.BeginRPC(r.Context(), t.Core(), r.Header, "shop.v1.Cart/Add")
		if ok {
			rpc.End(adapter.Outcome{ErrorType: "not_found"})
		}
	}), httpmw.WithTelemetry(t))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/shop.v1.Cart/Add", nil))
	fmt.Println(regexp.MustCompile(`"(operation|error_type)":"[^"]*"`).FindAllString(log.String(), -1))
	// Output: ["operation":"shop.v1.Cart/Add" "error_type":"not_found"]
}
