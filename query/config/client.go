package config

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync"

	promconfig "github.com/prometheus/common/config"

	"github.com/tenhop/tenhop/query"
)

// defaultTenantHeader is the header of Mimir, Loki and Tempo.
const defaultTenantHeader = "X-Scope-OrgID"

// Client returns the HTTP client of a back end: "prometheus", "jaeger", "tempo" or
// "loki". Without settings for it in the file, the client sends no credentials and uses
// the proxy of the environment. It fails if a file that an option names cannot be read.
//
// The client follows a redirect to another host only if it has no credentials.
func (f *File) Client(name string) (*http.Client, error) {
	b := *f.named(name)
	if b == nil {
		b = &Backend{HTTP: promconfig.DefaultHTTPClientConfig, settings: "backends." + name + " in " + f.Name}
		return &http.Client{Transport: &transport{backend: b, next: http.DefaultTransport}}, nil
	}
	if err := b.readable(); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	c, err := promconfig.NewClientFromConfig(b.HTTP, "tenhop-"+name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.settings, err)
	}
	c.Transport = &transport{backend: b, next: c.Transport}
	if c.CheckRedirect == nil {
		c.CheckRedirect = b.redirect
	}
	return c, nil
}

// redirect refuses redirects that would carry credentials elsewhere.
func (b *Backend) redirect(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch to := req.URL; {
	case len(via) >= 10:
		return fmt.Errorf("more than %d redirects", len(via))
	case to.Scheme == first.Scheme && to.Host == first.Host:
		return nil
	case to.Hostname() == first.Hostname() && first.Scheme == "http" && to.Scheme == "https" && first.Port() == "" && to.Port() == "":
		return nil
	case b.private():
		return &redirectError{to}
	}
	return nil
}

// private reports whether requests carry credentials or a tenant.
func (b *Backend) private() bool {
	h := b.HTTP
	return h.Authorization != nil || h.BasicAuth != nil || h.OAuth2 != nil || h.HTTPHeaders != nil || b.Tenant != "" ||
		h.TLSConfig.CertFile != "" || h.TLSConfig.Cert != ""
}

// redirectError is returned for a redirect that was refused.
type redirectError struct{ to *url.URL }

// Error implements error.
func (e *redirectError) Error() string {
	return fmt.Sprintf("it redirects to %s://%s, which must not get the credentials", e.to.Scheme, e.to.Host)
}

// transport adds the tenant to requests. It implements query.Adviser.
type transport struct {
	backend *Backend
	next    http.RoundTripper

	mu   sync.Mutex
	sent string // the last Authorization header
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	// A token that OAuth 2 has fetched is in no file.
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{WroteHeaderField: func(key string, value []string) {
		if http.CanonicalHeaderKey(key) == "Authorization" && len(value) > 0 {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.sent = value[0]
		}
	}})
	req = req.Clone(ctx)
	if t.backend.Tenant != "" {
		req.Header.Set(cmp.Or(t.backend.TenantHeader, defaultTenantHeader), string(t.backend.Tenant))
	}
	return t.next.RoundTrip(req)
}

// CloseIdleConnections implements the method that http.Client looks for.
func (t *transport) CloseIdleConnections() {
	(&http.Client{Transport: t.next}).CloseIdleConnections()
}

// Secrets implements query.Adviser.
func (t *transport) Secrets() []string {
	all := t.backend.known()
	t.mu.Lock()
	sent := t.sent
	t.mu.Unlock()
	if _, credentials, ok := strings.Cut(sent, " "); ok {
		all = append(all, credentials)
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		all = append(all, proxySecrets(os.Getenv(name))...)
	}
	return all
}

// proxySecrets returns the texts that reveal the user of a proxy. As in the environment,
// its URL may lack the scheme.
func proxySecrets(proxy string) []string {
	at := strings.LastIndexByte(proxy, '@')
	if at < 0 {
		return nil
	}
	all := []string{proxy[:at]}
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	if u, err := url.Parse(proxy); err == nil {
		all = append(all, query.UserSecrets(u)...)
	}
	return all
}

// Advice implements query.Adviser.
func (t *transport) Advice(status int, err error) string {
	switch {
	case err != nil:
		return t.backend.afterError(err)
	case query.Denied(status):
		return t.backend.afterDenial(status)
	}
	return ""
}
