package certs_test

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/certs"
)

func parse(t *testing.T, p []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(p)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIssue(t *testing.T) {
	authority, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	other, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue("payment", "payment.shop.svc", "10.0.0.7")
	if err != nil {
		t.Fatal(err)
	}
	leaf := parse(t, pair.Certificate)
	for _, c := range []struct {
		why, name string
		by        *certs.Authority
		use       x509.ExtKeyUsage
		ok        bool
	}{
		{"the service as a server", "payment", authority, x509.ExtKeyUsageServerAuth, true},
		{"the service as a client", "", authority, x509.ExtKeyUsageClientAuth, true},
		{"a further name", "payment.shop.svc", authority, x509.ExtKeyUsageServerAuth, true},
		{"an address", "10.0.0.7", authority, x509.ExtKeyUsageServerAuth, true},
		{"another service", "fraud", authority, x509.ExtKeyUsageServerAuth, false},
		{"another authority", "payment", other, x509.ExtKeyUsageServerAuth, false},
		{"a use that was not granted", "payment", authority, x509.ExtKeyUsageCodeSigning, false},
	} {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(c.by.Certificate)
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: c.name, Roots: roots, KeyUsages: []x509.ExtKeyUsage{c.use}})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.why, err)
		}
	}
	if left := time.Until(leaf.NotAfter); left > 91*24*time.Hour {
		t.Errorf("the certificate is valid for %s", left)
	}
	if ca := parse(t, authority.Certificate); leaf.NotAfter.After(ca.NotAfter) {
		t.Error("the certificate outlives its authority")
	}
}

func TestReadAuthority(t *testing.T) {
	authority, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	other, err := certs.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Issue("payment")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		pair certs.Pair
		ok   bool
	}{
		{"its own files", authority.Pair, true},
		{"the key of another authority", certs.Pair{Certificate: authority.Certificate, Key: other.Key}, false},
		{"the certificate of a service", leaf, false},
		{"nothing", certs.Pair{}, false},
		{"files in the wrong order", certs.Pair{Certificate: authority.Key, Key: authority.Certificate}, false},
	} {
		if _, err := certs.ReadAuthority(c.pair); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}
