package config_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/query"
)

var product = query.Product{Name: "Prometheus", Example: "http://127.0.0.1:9090", MaxAnswer: 1 << 20}

// ask asks the back end of a file for a path.
func ask(t *testing.T, name, text, base string) (query.Answer, error) {
	t.Helper()
	f, err := read(t, text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Client(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := product.At(base, c)
	if err != nil {
		t.Fatal(err)
	}
	return b.Get(t.Context(), "", nil, "api")
}

// A redirect to another host carries nothing there; one to the same host is followed.
func TestRedirect(t *testing.T) {
	var elsewhere []http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere = append(elsewhere, r.Header) }))
	defer other.Close()
	var to string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprint(w, r.Header.Get("Authorization"), r.Header.Get("X-Scope-OrgID"), r.Header.Get("X-Key"))
	}))
	defer srv.Close()
	for options, want := range map[string]string{
		"bearer_token: secret":                          "Bearer secret",
		"tenant: secret":                                "secret",
		"http_headers: {X-Key: {secrets: [secret]}}":    "secret",
		"basic_auth: {username: u, password: secret}":   "Basic dTpzZWNyZXQ=",
		"{tenant: secret, tenant_header: X-Key}":        "secret",
		"authorization: {type: T, credentials: secret}": "T secret",
	} {
		file := "backends:\n  prometheus:\n    " + options
		to = other.URL + "/?x=1"
		_, err := ask(t, "prometheus", file, srv.URL)
		if err == nil || !strings.Contains(err.Error(), "it redirects to "+other.URL) || !strings.Contains(err.Error(), "name it in url of backends.prometheus") {
			t.Errorf("%s: %v", options, err)
		}
		to = "/elsewhere"
		if a, err := ask(t, "prometheus", file, srv.URL); err != nil || string(a.Body) != want {
			t.Errorf("%s: %s, %v; want %s", options, a.Body, err, want)
		}
	}
	if len(elsewhere) > 0 {
		t.Errorf("the other host got %v", elsewhere)
	}
	to = other.URL
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("u", "secret")
	if _, err := ask(t, "prometheus", "", u.String()); err != nil || len(elsewhere) != 1 || strings.Contains(fmt.Sprint(elsewhere), "ecret") || elsewhere[0].Get("Authorization") != "" {
		t.Errorf("%v: the other host got %v", err, elsewhere)
	}
}

// Requests go through the proxy of the file, or that of the environment.
func TestProxy(t *testing.T) {
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user := r.Header.Get("Proxy-Authorization"); user != "Basic dTpzZWNyZXQ=" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			fmt.Fprint(w, user)
			return
		}
		asked = r.RequestURI
		fmt.Fprint(w, "{}")
	}))
	defer proxy.Close()
	at := strings.Replace(proxy.URL, "http://", "http://u:secret@", 1)
	for name, c := range map[string]struct{ env, file string }{
		"file":                  {"", "backends: {prometheus: {proxy_url: '" + at + "'}}"},
		"environment":           {at, "backends: {prometheus: {tenant: a}}"},
		"file over environment": {"http://127.0.0.1:1", "backends: {prometheus: {proxy_url: '" + at + "'}}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HTTP_PROXY", c.env)
			t.Setenv("http_proxy", c.env)
			asked = ""
			if a, err := ask(t, "prometheus", c.file, "http://prometheus.invalid"); err != nil || a.Code != http.StatusOK || asked != "http://prometheus.invalid/api" {
				t.Errorf("asked %q: %+v, %v", asked, a, err)
			}
		})
	}
}

// A proxy of the environment may repeat what it was sent.
func TestScrubProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "denied %s, that is u:secret", r.Header.Get("Proxy-Authorization"))
	}))
	defer proxy.Close()
	for _, at := range []string{"http://u:secret@", "u:secret@"} {
		t.Setenv("HTTP_PROXY", strings.Replace(proxy.URL, "http://", at, 1))
		t.Setenv("http_proxy", "")
		f, err := read(t, "backends: {prometheus: {tenant: a}}")
		if err != nil {
			t.Fatal(err)
		}
		c, err := f.Client("prometheus")
		if err != nil {
			t.Fatal(err)
		}
		b, err := product.At("http://prometheus.invalid", c)
		if err != nil {
			t.Fatal(err)
		}
		err = b.JSON(t.Context(), new(any), nil)
		if err == nil || !strings.Contains(err.Error(), "denied") || strings.Contains(err.Error(), "ecret") || strings.Contains(err.Error(), "dTpzZWNyZXQ=") {
			t.Errorf("%s: %v", at, err)
		}
	}
}

func TestScrub(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, "tenant 7 of 1700, 7 7 7, with %v", r.Header)
	}))
	defer srv.Close()
	f, err := read(t, "backends: {prometheus: {tenant: '7', basic_auth: {username: somebody, password: secret}}}")
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Client("prometheus")
	if err != nil {
		t.Fatal(err)
	}
	b, err := product.At(strings.Replace(srv.URL, "//", "//user:secret2@", 1), c)
	if err != nil {
		t.Fatal(err)
	}
	err = b.JSON(t.Context(), new(any), nil)
	if err == nil || strings.Contains(err.Error(), "ecret") || strings.Contains(err.Error(), "Basic dX") || !strings.Contains(err.Error(), "tenant <redacted> of 1700, <redacted> <redacted> <redacted>, with") {
		t.Errorf("%v", err)
	}
}
