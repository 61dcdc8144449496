package query_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/query"
)

var product = query.Product{Name: "Jaeger", Example: "http://127.0.0.1:16686", MaxAnswer: 1000}

func backend(t *testing.T, base string, client *http.Client) *query.Backend {
	t.Helper()
	b, err := product.At(base, client)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func serve(t *testing.T, status int, body string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client is gone
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestAt(t *testing.T) {
	for _, base := range []string{"", "localhost:16686", "ftp://jaeger", "http://", "http://user:secret@ja eger", "user:secret@jaeger:16686", "http://user:secret@jaeger:port/"} {
		_, err := product.At(base, nil)
		if err == nil || !strings.Contains(err.Error(), "is not the URL of Jaeger") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"http://jaeger:16686/base", "http://jaeger:16686/base"},
		{"https://user:secret@jaeger/?token=secret#secret", "https://jaeger/"},
		{"http://us/er:secret@jaeger", "http://jaeger"}, // a slash ends the host
		{"http://user:sec%ret@jaeger?token=secret", "http://jaeger"},
		{"user:secret@jaeger:16686", "jaeger:16686"},
		{"user:secret@jaeger?secret", "jaeger"},
		{"http:user:secret@jaeger//base", "jaeger//base"}, // without slashes where they belong
	} {
		if got := query.Redact(c.url); strings.Contains(got, "secret") || got != c.want {
			t.Errorf("%q is shown as %q, want %q", c.url, got, c.want)
		}
	}
}

// Whatever goes wrong, the error names the server and no credentials.
func TestErrorsShowNoCredentials(t *testing.T) {
	gone := serve(t, http.StatusOK, "")
	gone.Close()
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://user:secret@127.0.0.1:1/?token=secret", http.StatusFound)
	}))
	defer redirect.Close()
	for name, srv := range map[string]string{"refused": gone.URL, "redirected": redirect.URL, "status": serve(t, http.StatusForbidden, "no").URL,
		"page": serve(t, http.StatusOK, "<html>").URL, "long": serve(t, http.StatusOK, strings.Repeat("[", 1001)).URL} {
		u, err := url.Parse(srv)
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword("user", "secret")
		var into any
		err = backend(t, u.String(), nil).JSON(t.Context(), &into, url.Values{"token": {"secret"}}, "api")
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "user") || !strings.Contains(err.Error(), srv) {
			t.Errorf("%s: %v", name, err)
		}
		var unreachable *query.UnreachableError
		if errors.As(err, &unreachable) != (name == "refused" || name == "redirected") {
			t.Errorf("%s: %#v", name, err)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		name, body, says string
		status           int
	}{
		{"an answer", `{"a":1}`, "", http.StatusOK},
		{"another status", "down \x1b[31mfor\n maintenance", "answers 503 Service Unavailable: down  [31mfor  maintenance", http.StatusServiceUnavailable},
		{"a page in place of an error", "<!DOCTYPE html><p>", "answers 502 Bad Gateway: an HTML page", http.StatusBadGateway},
		{"a long error", strings.Repeat("é", 150), strings.Repeat("é", 100), http.StatusBadRequest},
		{"a page", " <html>", "does not answer like Jaeger: it is an HTML page", http.StatusOK},
		{"something else", "pong", "does not answer like Jaeger: invalid character 'p'", http.StatusOK},
		{"too long", `"` + strings.Repeat("x", 1000), "is longer than", http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			var into map[string]int
			err := backend(t, serve(t, c.status, c.body).URL, nil).JSON(t.Context(), &into, nil)
			if c.says == "" {
				if err != nil || into["a"] != 1 {
					t.Errorf("%v, %v", into, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.ContainsAny(err.Error(), "\n\x1b\uFFFD") {
				t.Errorf("error %q, want %q", err, c.says)
			}
			var status *query.StatusError
			if errors.As(err, &status) != (c.status != http.StatusOK) || status != nil && status.Code != c.status {
				t.Errorf("%#v", err)
			}
		})
	}
}

// Names are escaped, and cannot leave their place in the path.
func TestPath(t *testing.T) {
	var asked string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.RequestURI }))
	defer srv.Close()
	b := backend(t, srv.URL+"/base/", srv.Client())
	if _, err := b.Get(t.Context(), "", url.Values{"q": {"a b"}}, "api", "a/b?c %"); err != nil || asked != "/base/api/a%2Fb%3Fc%20%25?q=a+b" {
		t.Errorf("asked %s, %v", asked, err)
	}
	for _, name := range []string{".", ".."} {
		asked = ""
		if _, err := b.Get(t.Context(), "", nil, "api", name); err == nil || asked != "" {
			t.Errorf("asked %s, %v", asked, err)
		}
	}
}

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := query.NewSource("jaeger", "http://user:secret@jaeger")
		hang := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 2, ctx.Err()
		}
		if err := s.Ask(t.Context(), time.Second, func(context.Context) (int, error) { return 3, nil }); err != nil || !s.OK() || s.Read != 3 {
			t.Errorf("%+v, %v", s, err)
		}
		err := s.Ask(t.Context(), time.Second, hang)
		if err == nil || err.Error() != "no answer within 1s" || !errors.Is(err, context.DeadlineExceeded) || s.OK() || s.Read != 5 || s.Took != time.Second {
			t.Errorf("%+v, %v", s, err)
		}
		// The caller left: that is no fault of the source's.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Ask(ctx, time.Second, hang); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if s.URL != "http://jaeger" {
			t.Errorf("URL %s", s.URL)
		}
	})
}
