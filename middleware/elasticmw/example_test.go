package elasticmw_test

import (
	"net/http"

	"github.com/tenhop/tenhop/middleware/elasticmw"
)

// The transport goes below the client of the engine's maker, such as
// elasticsearch.Config.Transport.
func ExampleTransport() {
	transport := elasticmw.Transport(http.DefaultTransport, "product-search")
	_ = &http.Client{Transport: transport}
}
