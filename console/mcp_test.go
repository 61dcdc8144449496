package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// bearer sends a token with each request.
type bearer string

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+string(b))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func assistant(t *testing.T, url, token string) (*sdk.ClientSession, error) {
	t.Helper()
	s, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(),
		&sdk.StreamableClientTransport{Endpoint: url + "/mcp", HTTPClient: &http.Client{Transport: bearer(token)}, DisableStandaloneSSE: true, MaxRetries: -1}, nil)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func TestAssistants(t *testing.T) {
	b := newBackends(t)
	srv := httptest.NewServer(newConsole(t, b, nil))
	t.Cleanup(srv.Close)
	inject := &sdk.CallToolParams{Name: "chaos_inject", Arguments: map[string]any{"service": "payment", "kind": "latency", "latency": "300ms", "for": "1m"}}

	reads, err := assistant(t, srv.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	res, err := reads.CallTool(t.Context(), &sdk.CallToolParams{Name: "trace", Arguments: map[string]any{"trace_id": "aa"}})
	if err != nil || res.IsError || !strings.Contains(res.Content[0].(*sdk.TextContent).Text, "tenhop.v1.Payment/Charge") {
		t.Errorf("%v, %+v", err, res)
	}
	if res, err := reads.CallTool(t.Context(), inject); err == nil && !res.IsError {
		t.Error("a fault was injected without a token")
	}
	if len(b.faults) > 0 {
		t.Error("a fault reached the service without a token")
	}
	if _, err := assistant(t, srv.URL, "wrong"); err == nil {
		t.Error("a wrong token was accepted")
	}
	acts, err := assistant(t, srv.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := acts.CallTool(t.Context(), inject); err != nil || res.IsError || len(b.faults) != 1 {
		t.Errorf("%v, %+v, %d faults", err, res, len(b.faults))
	}
	if res, err := acts.CallTool(t.Context(), &sdk.CallToolParams{Name: "drill_answer", Arguments: map[string]any{"hop": "payment", "operation": "x", "kind": "self"}}); err != nil ||
		!res.IsError || !strings.Contains(res.Content[0].(*sdk.TextContent).Text, "no drill is waiting") {
		t.Errorf("%v, %+v", err, res)
	}
	if res, err := acts.CallTool(t.Context(), &sdk.CallToolParams{Name: "chaos_list"}); err != nil || res.IsError {
		t.Errorf("%v, %+v", err, res)
	}
}

// Another site must not reach the tools through a user's browser.
func TestAssistantsOfOtherSites(t *testing.T) {
	c := newConsole(t, newBackends(t), nil)
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	const accept = "application/json, text/event-stream"
	for name, headers := range map[string][]string{
		"origin":    {"Origin", "https://evil.example"},
		"fetch":     {"Sec-Fetch-Site", "cross-site"},
		"rebinding": {"Host", "evil.example"},
		"token":     {"Authorization", "Bearer wrong"},
	} {
		if w := do(c, http.MethodPost, "/mcp", body, append(headers, "Accept", accept)...); w.Code < 400 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := do(c, http.MethodPost, "/mcp", body, "Accept", accept); w.Code != http.StatusOK {
		t.Errorf("without any of them: %d %s", w.Code, w.Body)
	}
	if w := do(c, http.MethodPost, "/mcp", strings.Repeat(" ", 100<<10)+body, "Accept", accept); w.Code < 400 {
		t.Errorf("a request of 100 KB: %d", w.Code)
	}
}
