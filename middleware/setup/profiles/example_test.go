package profiles_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/tenhop/tenhop/middleware/setup/profiles"
)

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/debug/pprof/", profiles.Handler()) // behind a check of who asks
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/", nil))
	fmt.Println(w.Code)
	// Output: 200
}
