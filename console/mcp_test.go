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
	if res, err := reads.CallTool(t.Context(), inject); err == nil || !strings.Contains(err.Error(), "unknown tool") {
		t.Errorf("without a token: %v, %+v", err, res)
	}
	if len(b.faults) > 0 {
		t.Error("a fault reached the service without a token")
	}
	if _, err := assistant(t, srv.URL, "wrong"); err == nil || !strings.Contains(err.Error(), http.StatusText(http.StatusUnauthorized)) {
		t.Errorf("with a wrong token: %v", err)
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

// The tools know what `tenhop watch` has told of.
func TestAssistantsKnowIncidents(t *testing.T) {
	i := stored(t)
	srv := httptest.NewServer(newConsole(t, newBackends(t), func(cfg *Config) { cfg.Incidents, cfg.Prometheus = kept{i}, "" }))
	t.Cleanup(srv.Close)
	s, err := assistant(t, srv.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "incidents"})
	if err != nil || res.IsError || !strings.Contains(res.Content[0].(*sdk.TextContent).Text, "i-1") {
		t.Errorf("%v, %+v", err, res)
	}
}

// Another site must not reach the tools through a user's browser.
func TestAssistantsOfOtherSites(t *testing.T) {
	c := newConsole(t, newBackends(t), nil)
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	const accept = "application/json, text/event-stream"
	for _, r := range []struct {
		headers []string
		code    int
		why     string // text of the check that refuses
	}{
		{[]string{"Origin", "https://evil.example"}, http.StatusForbidden, "Origin does not match Host"},
		{[]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden, "detected from Sec-Fetch-Site"},
		{[]string{"Host", "evil.example"}, http.StatusMisdirectedRequest, "does not accept the host name"},
		{[]string{"Authorization", "Bearer wrong"}, http.StatusUnauthorized, "needs the token"},
	} {
		if w := do(c, http.MethodPost, "/mcp", body, append(r.headers, "Accept", accept)...); w.Code != r.code || !strings.Contains(w.Body.String(), r.why) {
			t.Errorf("%s: %d %s, want %d with %q", r.headers, w.Code, w.Body, r.code, r.why)
		}
	}
	if w := do(c, http.MethodPost, "/mcp", body, "Accept", accept); w.Code != http.StatusOK {
		t.Errorf("without any of them: %d %s", w.Code, w.Body)
	}
	if w := do(c, http.MethodPost, "/mcp", strings.Repeat(" ", 100<<10)+body, "Accept", accept); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a request of 100 KB: %d %s", w.Code, w.Body)
	}
}
