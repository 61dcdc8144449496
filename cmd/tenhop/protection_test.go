package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
	"github.com/tenhop/tenhop/query/tempo/tempotest"
	"github.com/tenhop/tenhop/trace"
)

// The secrets of the tests. None may be in an output.
const (
	token    = "tok-5ECRET-bearer"
	password = "pa$$/5ECRET:word"
	tenant   = "tenant-5ECRET"
	apiKey   = "key-5ECRET"
	wrong    = "wrong-5ECRET"
)

// leaks returns what of the secrets a text has, in any form in which they are sent.
func leaks(text string) []string {
	var found []string
	for _, s := range []string{"5ECRET", "cGEkJC81RUNSRVQ6d29yZA", "OnBhJCQvNUVDUkVUOndvcmQ", "PRIVATE KEY", "userinfo"} {
		if strings.Contains(text, s) {
			found = append(found, s)
		}
	}
	return found
}

// backEndServers are three back ends with the same traces, and one with logs.
type backEndServers struct{ prometheus, jaeger, tempo, loki *httptest.Server }

func newBackEnds(t *testing.T) (backEndServers, []trace.Trace) {
	now := time.Now()
	shop := promtest.Shop{Began: now.Add(-280 * time.Second), Onset: now.Add(-60 * time.Second), Slow: .3}
	var traces []trace.Trace
	for at := shop.Began; at.Before(now.Add(-time.Second)); at = at.Add(time.Second) {
		took := 20 * time.Millisecond
		if at.After(shop.Onset) {
			took = 320 * time.Millisecond
		}
		traces = append(traces, trace.Trace{ID: fmt.Sprintf("%032x", at.Unix()), Spans: []trace.Span{
			{ID: "0000000000000001", Service: "gateway", Operation: "POST /pay", Kind: "server", Start: at.Truncate(time.Microsecond), Duration: took + 6*time.Millisecond},
			{ID: "0000000000000002", Parent: "0000000000000001", Service: "payment", Operation: "POST /charge", Kind: "server",
				Start: at.Truncate(time.Microsecond).Add(2 * time.Millisecond), Duration: took}}})
	}
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"streams","result":[{"stream":{"service_name":"payment"},"values":[["1","slow"]]}]}}`)
	}))
	t.Cleanup(loki.Close)
	return backEndServers{promtest.Serve(t, shop.Began, now, shop.Targets()...), jaegertest.Serve(t, traces...), tempotest.Serve(t, traces...), loki}, traces
}

// guard refuses requests as check says, repeating what they carried.
func guard(of *httptest.Server, check func(*http.Request) int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := check(r); status != 0 {
			w.WriteHeader(status)
			fmt.Fprintf(w, "refused: %v %v", r.Header, r.URL)
			return
		}
		of.Config.Handler.ServeHTTP(w, r)
	})
}

func bearer(r *http.Request) int {
	if r.Header.Get("Authorization") != "Bearer "+token {
		return http.StatusUnauthorized
	}
	return 0
}

func basicAndTenant(r *http.Request) int {
	user, pass, _ := r.BasicAuth()
	switch {
	case user != "userinfo" || pass != password || r.Header.Get("X-Api-Key") != apiKey:
		return http.StatusUnauthorized
	case r.Header.Get("X-Scope-OrgID") != tenant:
		return http.StatusForbidden
	}
	return 0
}

// authority is a private CA with a server's and a client's certificate.
type authority struct {
	dir    string
	server tls.Certificate
	pool   *x509.CertPool
}

func newAuthority(t *testing.T, dir string) authority {
	t.Helper()
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	template := func(n int64, name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(n), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	}
	caKey, ca := key(), template(1, "ca")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage, ca.IPAddresses = true, true, x509.KeyUsageCertSign, nil
	sign := func(of *x509.Certificate, k *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, of, ca, &k.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	caDER := sign(ca, caKey)
	write("ca.pem", "CERTIFICATE", caDER)
	clientKey, serverKey := key(), key()
	write("client.pem", "CERTIFICATE", sign(template(2, "client"), clientKey))
	keyDER, err := x509.MarshalPKCS8PrivateKey(clientKey)
	if err != nil {
		t.Fatal(err)
	}
	write("client.key", "PRIVATE KEY", keyDER)
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return authority{dir, tls.Certificate{Certificate: [][]byte{sign(template(3, "server"), serverKey)}, PrivateKey: serverKey}, pool}
}

// serveTLS serves with a certificate of the authority, and asks for a client's.
func (a authority) serveTLS(t *testing.T, h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{a.server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func plainly(t *testing.T, h http.Handler) *httptest.Server {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// protections are the ways in which the back ends are protected, with the options that
// open them and those that fail.
func protections(t *testing.T, f backEndServers) []protection {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TENHOP_TEST_PASSWORD", password)
	a := newAuthority(t, dir)
	all := func(serve func(*httptest.Server) string) map[string]string {
		return map[string]string{"prometheus": serve(f.prometheus), "jaeger": serve(f.jaeger), "tempo": serve(f.tempo), "loki": serve(f.loki)}
	}
	return []protection{
		{"bearer", dir, all(func(s *httptest.Server) string { return plainly(t, guard(s, bearer)).URL }),
			"bearer_token_file: token", map[string]string{
				"authorization: {credentials: " + wrong + "}": "check authorization in line",
				"tenant: " + wrong:                            "set bearer_token_file, authorization, basic_auth or oauth2 of backends.",
			}},
		{"basic and tenant", dir, all(func(s *httptest.Server) string { return plainly(t, guard(s, basicAndTenant)).URL }),
			"tenant: " + tenant + "\n    http_headers: {X-Api-Key: {secrets: [" + apiKey + "]}}\n    basic_auth: {username: userinfo, password: '${TENHOP_TEST_PASSWORD}'}", map[string]string{
				"basic_auth: {username: userinfo, password: " + wrong + "}\n    http_headers: {X-Api-Key: {values: [" + apiKey + "]}}":             "check basic_auth in line",
				"basic_auth: {username: userinfo, password: '${TENHOP_TEST_PASSWORD}'}\n    http_headers: {X-Api-Key: {values: [" + apiKey + "]}}": "and tenant if it has several",
			}},
		{"TLS", dir, all(func(s *httptest.Server) string {
			return a.serveTLS(t, guard(s, func(*http.Request) int { return 0 })).URL
		}), "tls_config: {ca_file: ca.pem, cert_file: client.pem, key_file: client.key}", map[string]string{
			"tenant: " + wrong:              "tls_config.ca_file of backends.",
			"tls_config: {ca_file: ca.pem}": "tls_config.key_file of backends.",
		}},
	}
}

type protection struct {
	name, dir string
	urls      map[string]string
	options   string
	failing   map[string]string // options, and what the error says to do
}

// config writes a file with the options for Prometheus, Loki and one source of traces.
func (p protection) config(t *testing.T, options, source string) string {
	var b strings.Builder
	b.WriteString("backends:\n")
	for _, name := range []string{"prometheus", source, "loki"} {
		fmt.Fprintf(&b, "  %s:\n    url: %s/\n    %s\n", name, p.urls[name], options)
	}
	path := filepath.Join(p.dir, "backends.yaml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
