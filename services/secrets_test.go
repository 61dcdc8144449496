package services_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/services/identity"
)

// The planted secrets. Each is sent wherever a careless client may put it.
var planted = map[string]string{
	"password":    "hunter2-Tr0ub4dor",
	"card":        "4111111111111111",
	"JWT":         "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
	"e-mail":      "grace.hopper@navy.example",
	"forged line": "x\n{\"level\":\"error\",\"message\":\"forged-by-client\"}",
}

// TestNoSecretInASignal plants secrets in every part of a request, at routes that exist
// and at ones that do not, and searches spans, metrics, log lines, profiles and message
// headers for them. It also searches for what services know: keys, sessions, the
// addresses of customers, the operator's token.
func TestNoSecretInASignal(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: runs a storefront")
	}
	s := start(t, standIns(t))
	secrets := maps.Clone(planted)
	secrets["API key"] = identity.APIKey(7)
	secrets["admin token"] = token
	secrets["customer's address"] = "@shop.example"

	s.must(t, 7, http.MethodPost, "/cart/items", `{"product_id":"p-001","quantity":2}`)
	placed(t, s.must(t, 7, http.MethodPost, "/checkout", `{"payment_method":"card"}`))
	var session struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(s.must(t, -1, http.MethodPost, "/sessions", `{"api_key":"`+identity.APIKey(7)+`"}`).body), &session); err != nil {
		t.Fatal(err)
	}
	secrets["session"] = session.Token
	s.must(t, -1, http.MethodGet, "/cart", "", "Authorization", "Bearer "+session.Token)
	until(t, "the customer gets the message", func() error {
		if s.count(t, "notification", "SELECT COUNT(*) FROM messages") == 0 {
			return io.ErrUnexpectedEOF
		}
		return nil
	})

	s.must(t, 8, http.MethodGet, "/cart", "") // so that wrong keys do not lock it out
	profile := s.profile(t, "gateway")
	for _, secret := range planted {
		s.plant(t, secret)
	}
	texts := map[string]string{"profile": profile()}
	time.Sleep(500 * time.Millisecond) // spans are exported every 100 ms
	for where, text := range s.signals(t) {
		texts[where] = text
	}
	for what, secret := range secrets {
		for _, form := range forms(secret) {
			for where, text := range texts {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("the %s is in the %s: …%s…", what, where, text[max(0, at-150):min(len(text), at+len(form)+100)])
				}
			}
		}
	}
	if logs := texts["logs"]; !strings.Contains(logs, `"service":"gateway"`) || !strings.Contains(texts["spans"], "POST /checkout") {
		t.Error("the test has no signals to search")
	}
	for line := range strings.Lines(texts["logs"]) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a log line that is no JSON object: %.200s", line)
		}
	}
}

// forms returns the forms in which a signal may have a secret.
func forms(secret string) []string {
	if strings.Contains(secret, "\n") {
		return []string{"\n{\"level\":\"error\",\"message\":\"forged"}
	}
	return slices.Compact([]string{secret, url.QueryEscape(secret), url.PathEscape(secret)})
}

// plant sends a secret in every part of requests.
func (s *storefront) plant(t *testing.T, secret string) {
	t.Helper()
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	q, p := url.QueryEscape(secret), url.PathEscape(secret)
	body := string(quoted)
	for _, r := range []struct{ method, path, body string }{
		{"GET", "/products/" + p, ""},
		{"GET", "/products?category=" + q, ""},
		{"GET", "/products?limit=" + q, ""},
		{"GET", "/search?q=" + q, ""},
		{"GET", "/cart?token=" + q, ""},
		{"GET", "/nowhere/" + p, ""},
		{"GET", "/" + p, ""},
		{"PUT", "/reset/" + p + "?password=" + q, body},
		{"POST", "/sessions", `{"api_key":` + body + `}`},
		{"POST", "/sessions", `{` + body + `:1}`},
		{"POST", "/sessions", body},
		{"POST", "/cart/items", `{"product_id":` + body + `,"quantity":1}`},
		{"POST", "/cart/items", `{"product_id":"p-001","quantity":` + body + `}`},
		{"DELETE", "/cart/items/" + p, ""},
		{"POST", "/checkout", `{"payment_method":` + body + `}`},
	} {
		s.ask(t, 8, r.method, r.path, r.body)
	}
	if strings.Contains(secret, "\n") {
		return
	}
	for _, h := range []string{"Authorization", "X-API-Key", "Cookie", "Proxy-Authorization", "X-Auth-Token", "Referer", "Idempotency-Key", "X-Forwarded-For", "Origin"} {
		s.ask(t, -1, http.MethodGet, "/cart", "", h, secret)
		s.ask(t, -1, http.MethodGet, "/cart", "", h, "Bearer "+secret)
	}
	s.must(t, 8, http.MethodPost, "/cart/items", `{"product_id":"p-002","quantity":1}`)
	s.ask(t, 8, http.MethodPost, "/checkout", `{"payment_method":"wallet"}`, "Idempotency-Key", secret)
}

// signals returns the text of all spans, log lines, metrics and message headers.
func (s *storefront) signals(t *testing.T) map[string]string {
	t.Helper()
	var b strings.Builder
	s.spans.mu.Lock()
	for _, sp := range s.spans.spans {
		b.WriteString(sp.service + " " + sp.name)
		for key, value := range sp.attributes {
			b.WriteString(" " + key + "=" + value)
		}
		b.WriteByte('\n')
	}
	s.spans.mu.Unlock()
	s.logs.mu.Lock()
	out := map[string]string{"spans": b.String(), "logs": s.logs.b.String()}
	s.logs.mu.Unlock()
	for name, base := range s.admin {
		out["metrics of "+name] = s.admins(t, base+"/metrics", "application/openmetrics-text")
		out["goroutines of "+name] = s.admins(t, base+"/debug/pprof/goroutine?debug=1", "")
		out["readiness of "+name] = s.admins(t, base+"/readyz", "")
	}
	v := vocabulary{names: map[string]bool{}, texts: map[string]bool{}}
	v.messages(t, s.systems.kafka)
	out["message headers"] = strings.Join(slices.Collect(maps.Keys(v.texts)), "\n")
	return out
}

// admins returns the body of an admin endpoint.
func (s *storefront) admins(t *testing.T, url, accept string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
	return string(b)
}

// profile starts a CPU profile and returns a function that waits for it, uncompressed.
func (s *storefront) profile(t *testing.T, service string) func() string {
	t.Helper()
	var raw string
	var g sync.WaitGroup
	g.Go(func() { raw = s.admins(t, s.admin[service]+"/debug/pprof/profile?seconds=3", "") })
	return func() string {
		g.Wait()
		z, err := gzip.NewReader(bytes.NewReader([]byte(raw)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}
