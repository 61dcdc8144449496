package chaos_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// A service that opts in: handlers that can be made slow or fail, and an
// endpoint on its admin port for whoever has the token.
func ExampleNew() {
	faults := chaos.New(chaos.WithToken("s3cret"), chaos.WithOperations("POST /charge"))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charge", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	service, admin := faults.Handler(mux), faults.AdminHandler()

	inject := httptest.NewRequest(http.MethodPost, "/chaos", strings.NewReader(`{"kind":"error","code":"503","operation":"POST /charge","for":"1m"}`))
	inject.Header.Set("Authorization", "Bearer s3cret")
	injected := httptest.NewRecorder()
	admin.ServeHTTP(injected, inject)

	answer := httptest.NewRecorder()
	service.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/charge", nil))
	fmt.Println(injected.Code, answer.Code)
	// Output: 201 503
}

// Gold customers in Europe only, for a handler that is neither HTTP nor gRPC.
func ExampleInjector_Apply() {
	faults := chaos.New(chaos.WithFields(func(_ context.Context, _ string, req any) map[string]string {
		return map[string]string{"customer.tier": req.(string)}
	}))
	if _, err := faults.Inject(chaos.Fault{Kind: "error", Code: "UNAVAILABLE", Match: map[string]string{"customer.tier": "gold"},
		For: chaos.Duration(time.Minute)}); err != nil {
		fmt.Println(err)
	}
	for _, tier := range []string{"silver", "gold"} {
		fmt.Println(tier, faults.Apply(context.Background(), "charge", tier))
	}
	// Output:
	// silver <nil>
	// gold service unavailable
}

func ExampleKinds() {
	for _, k := range chaos.Kinds()[:2] {
		fmt.Println(k.Name, "-", k.Does)
	}
	// Output:
	// latency - Requests wait for latency, plus or minus jitter.
	// error - Requests fail at once with code.
}
