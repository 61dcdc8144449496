// Package certs issues the certificates with which the services of the storefront
// authenticate each other.
package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Lifetimes of certificates. Those of an authority expire with it at the latest.
const (
	authorityFor = 365 * 24 * time.Hour
	serviceFor   = 90 * 24 * time.Hour
	clockSkew    = 5 * time.Minute // by which a peer's clock may be behind
)

// Pair is a certificate with its private key, both in PEM.
type Pair struct{ Certificate, Key []byte }

// Authority issues certificates.
type Authority struct {
	Pair
	certificate *x509.Certificate
	key         crypto.Signer
}

// NewAuthority returns an authority with a new key, valid for a year.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "tenhop services"},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(authorityFor),
		IsCA:                  true,
		MaxPathLenZero:        true, // issues no other authorities
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	pair, err := issue(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return ReadAuthority(pair)
}

// ReadAuthority returns the authority of a pair. It fails if the pair is not that of
// an authority, or if the certificate has expired.
func ReadAuthority(p Pair) (*Authority, error) {
	block, _ := pem.Decode(p.Certificate)
	if block == nil {
		return nil, errors.New("the certificate of the authority is not PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the authority: %w", err)
	}
	if block, _ = pem.Decode(p.Key); block == nil {
		return nil, errors.New("the key of the authority is not PEM")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key of the authority: %w", err)
	}
	switch {
	case !certificate.IsCA:
		return nil, errors.New("the certificate is not that of an authority")
	case !key.PublicKey.Equal(certificate.PublicKey):
		return nil, errors.New("the key of the authority does not belong to its certificate")
	case time.Now().After(certificate.NotAfter):
		return nil, fmt.Errorf("the certificate of the authority expired on %s", certificate.NotAfter.Format(time.DateOnly))
	}
	return &Authority{p, certificate, key}, nil
}

// Issue returns a certificate for a service, as a server and as a client. It is valid
// for 90 days, under the name of the service and the additional host names or IP
// addresses in hosts.
func (a *Authority) Issue(service string, hosts ...string) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: service},
		DNSNames:    []string{service},
		NotBefore:   now.Add(-clockSkew),
		NotAfter:    earlier(now.Add(serviceFor), a.certificate.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return issue(template, a.certificate, key, a.key)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// issue signs template, whose key is key.
func issue(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer crypto.Signer) (Pair, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Pair{}, err
	}
	template.SerialNumber = serial
	certificate, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, fmt.Errorf("issue the certificate of %s: %w", template.Subject.CommonName, err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{encode("CERTIFICATE", certificate), encode("EC PRIVATE KEY", private)}, nil
}

func encode(kind string, b []byte) []byte {
	var out bytes.Buffer
	_ = pem.Encode(&out, &pem.Block{Type: kind, Bytes: b}) // a buffer takes everything
	return out.Bytes()
}
