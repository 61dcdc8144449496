package stack_test

import (
	"net/http"
	"testing"

	"github.com/tenhop/tenhop/stack"
)

// A page whose name resolves to this machine must neither read the stack's
// state nor write to it.
func TestRebound(t *testing.T) {
	s := start(t, stack.Config{Parts: []stack.Part{stack.OTLP, stack.Jaeger, stack.Prometheus, stack.Loki}})
	for endpoint, path := range map[string]string{
		"otlp_http":     "/v1/traces",
		"jaeger":        "/api/services",
		"jaeger_thrift": "",
		"prometheus":    "/api/v1/query?query=up",
		"loki":          "/loki/api/v1/labels",
	} {
		for host, refused := range map[string]bool{"evil.example": true, "localhost": false} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoints()[endpoint]+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if (resp.StatusCode == http.StatusMisdirectedRequest) != refused {
				t.Errorf("%s answers %d to the name %s", endpoint, resp.StatusCode, host)
			}
		}
	}
}
