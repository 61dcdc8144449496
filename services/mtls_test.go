package services_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/internal/certs"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
)

// issued writes a certificate for a service and returns it as the service reads it.
func issued(t *testing.T, authority *certs.Authority, name string) *runtime.Certificates {
	t.Helper()
	pair, err := authority.Issue(name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c, err := runtime.ReadCertificates(write("ca", authority.Certificate), write("cert", pair.Certificate), write("key", pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// caller returns what somebody on the network uses to call a service. A nil authority
// means no certificate.
func caller(t *testing.T, trusts, by *certs.Authority, server string) *tls.Config {
	t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: server, MinVersion: tls.VersionTLS12}
	c.RootCAs.AppendCertsFromPEM(trusts.Certificate)
	if by != nil {
		pair, err := by.Issue("gateway")
		if err != nil {
			t.Fatal(err)
		}
		own, err := tls.X509KeyPair(pair.Certificate, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	return c
}

// TestMutualTLS: the storefront works with mutual TLS, and every service but the edge
// refuses a caller without a certificate of the authority.
func TestMutualTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("starts thirteen services")
	}
	authority, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, standIns(t), func(name string, c *runtime.Config) { c.TLS = issued(t, authority, name) })
	s.must(t, 7, http.MethodPost, "/cart/items", `{"product_id":"p-001","quantity":2}`)
	placed(t, s.must(t, 7, http.MethodPost, "/checkout", `{"payment_method":"card"}`))
	until(t, "the customer gets the message", func() error {
		if s.count(t, "notification", "SELECT COUNT(*) FROM messages") == 0 {
			return context.DeadlineExceeded
		}
		return nil
	})

	tlsOf := func(trusts, by *certs.Authority, server string) credentials.TransportCredentials {
		return credentials.NewTLS(caller(t, trusts, by, server))
	}
	for _, c := range []struct {
		why  string
		with credentials.TransportCredentials
		want codes.Code
	}{
		{"a service", tlsOf(authority, authority, "catalog"), codes.OK},
		{"plain text", insecure.NewCredentials(), codes.Unavailable},
		{"no certificate", tlsOf(authority, nil, "catalog"), codes.Unavailable},
		{"a certificate of another authority", tlsOf(authority, stranger, "catalog"), codes.Unavailable},
		{"a caller that wants another service", tlsOf(authority, authority, "payment"), codes.Unavailable},
	} {
		conn, err := grpc.NewClient(s.addresses["catalog"], grpc.WithTransportCredentials(c.with))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err = pb.NewCatalogClient(conn).ListProducts(ctx, &pb.ListProductsRequest{Limit: 1})
		cancel()
		conn.Close()
		if status.Code(err) != c.want {
			t.Errorf("gRPC with %s: %v, want %s", c.why, err, c.want)
		}
	}

	for name, address := range s.addresses {
		switch name {
		case "gateway", "shipping", "notification": // the edge; two that only consume
			continue
		}
		for why, config := range map[string]*tls.Config{"no certificate": caller(t, authority, nil, name),
			"a certificate of another authority": caller(t, authority, stranger, name)} {
			conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 20 * time.Second}, "tcp", address, config)
			if err == nil { // TLS 1.3 reports the refusal with the first read
				_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
				_, err = conn.Read(make([]byte, 1))
				conn.Close()
			}
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s does not refuse a caller with %s: %v", name, why, err)
			}
		}
	}
	for _, name := range []string{"fraud", "loyalty"} {
		url := "http://" + s.addresses[name] + "/"
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusBadRequest { // "Client sent an HTTP request to an HTTPS server."
				t.Errorf("%s answers plain HTTP with %s", name, resp.Status)
			}
		}
	}
}

// TestHalfOfTheCertificates: a service that is given some of its files does not start,
// instead of serving in plain text.
func TestHalfOfTheCertificates(t *testing.T) {
	t.Setenv("TENHOP_LISTEN", "127.0.0.1:0")
	t.Setenv("TENHOP_ADMIN_LISTEN", "127.0.0.1:0")
	t.Setenv("TENHOP_TLS_CA", filepath.Join(t.TempDir(), "ca.pem"))
	if _, err := runtime.ConfigFromEnv(); err == nil {
		t.Error("the service starts without its certificate")
	}
}
