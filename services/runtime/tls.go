package runtime

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// Certificates holds what a service needs for mutual TLS with the other services: its
// own certificate, and the authority of all. A nil Certificates means plain text.
type Certificates struct {
	own       tls.Certificate
	authority *x509.CertPool
}

// ReadCertificates reads PEM files: the certificate of the authority, that of the
// service, and the key of the service.
func ReadCertificates(authority, certificate, key string) (*Certificates, error) {
	own, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the service: %w", err)
	}
	b, err := os.ReadFile(authority)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("read the certificate of the authority: %s holds no certificate in PEM", authority)
	}
	return &Certificates{own, pool}, nil
}

// certificatesFromEnv reads the files that TENHOP_TLS_CA, TENHOP_TLS_CERT and
// TENHOP_TLS_KEY name. Without any of them it returns nil. Some but not all are an
// error, since plain text would be a surprise.
func certificatesFromEnv() (*Certificates, error) {
	ca, cert, key := os.Getenv("TENHOP_TLS_CA"), os.Getenv("TENHOP_TLS_CERT"), os.Getenv("TENHOP_TLS_KEY")
	switch {
	case ca == "" && cert == "" && key == "":
		return nil, nil
	case ca == "" || cert == "" || key == "":
		return nil, errors.New("set TENHOP_TLS_CA, TENHOP_TLS_CERT and TENHOP_TLS_KEY, or none of them")
	}
	return ReadCertificates(ca, cert, key)
}

// server returns the configuration of a server that accepts clients with a certificate
// of the authority only.
func (c *Certificates) server() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{c.own}, ClientCAs: c.authority, ClientAuth: tls.RequireAndVerifyClientCert}
}

// client returns the configuration of a client that accepts the named service only,
// whatever the address.
func (c *Certificates) client(service string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{c.own}, RootCAs: c.authority, ServerName: service}
}
