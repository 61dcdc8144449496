package stack_test

import (
	"net"
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

// An endpoint answers to the name of its configured address, which may resolve to
// a loopback address, as the name of a machine often does.
func TestConfiguredName(t *testing.T) {
	c := stack.Config{Parts: []stack.Part{stack.OTLP, stack.Jaeger}, DataDir: t.TempDir(),
		Addresses: map[string]string{"otlp_grpc": "127.0.0.1:0", "jaeger_udp": "127.0.0.1:0"}, Listeners: map[string]net.Listener{}}
	for _, name := range []string{"otlp_http", "jaeger_thrift", "jaeger"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.Listeners[name], c.Addresses[name] = l, "box.example:1"
	}
	s, err := stack.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	for name, l := range c.Listeners {
		for host, refused := range map[string]bool{"box.example": false, "other.example": true} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/api/services", nil)
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
				t.Errorf("%s answers %d to the name %s", name, resp.StatusCode, host)
			}
		}
	}
}
