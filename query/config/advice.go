package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// credentials lists the options that say who asks.
var credentials = []string{"bearer_token", "bearer_token_file", "authorization", "basic_auth", "oauth2", "http_headers"}

// option returns an option with the place where it is or belongs.
func (b *Backend) option(name string) string {
	top, _, _ := strings.Cut(name, ".")
	if line := b.given[top]; line > 0 {
		return fmt.Sprintf("%s of %s, line %d", name, b.settings, line)
	}
	return fmt.Sprintf("%s of %s", name, b.settings)
}

// afterDenial returns what to change after a status that refuses who asks.
func (b *Backend) afterDenial(status int) string {
	if status == http.StatusProxyAuthRequired {
		return "give the proxy's user and password in " + b.option("proxy_url")
	}
	var given []string
	for _, name := range credentials {
		if b.given[name] > 0 {
			given = append(given, name)
		}
	}
	tenant := ", and tenant if it has several"
	if b.given["tenant"] > 0 {
		tenant = ""
	}
	if len(given) == 0 {
		if certificate := b.HTTP.TLSConfig.CertFile; certificate != "" && status == http.StatusForbidden {
			return "check the certificate in " + b.option("tls_config.cert_file") + tenant
		}
		return "set bearer_token_file, authorization, basic_auth or oauth2 of " + b.settings + tenant
	}
	if tenant == "" {
		given = append(given, "tenant")
	}
	verb := "it does not accept what it was sent; check "
	if status == http.StatusForbidden {
		verb = "these credentials may not read this; check "
	}
	var options []string
	for _, name := range given {
		options = append(options, fmt.Sprintf("%s in line %d", name, b.given[name]))
	}
	return verb + strings.Join(options, " or ") + " of " + b.settings + tenant
}

// afterError returns what to change after a request without a response.
func (b *Backend) afterError(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		redirect  *redirectError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &redirect):
		return "if it is the same server, name it in " + b.option("url")
	case errors.As(err, &authority):
		if b.HTTP.TLSConfig.CAFile != "" || b.HTTP.TLSConfig.CA != "" {
			return "the authority in " + b.option("tls_config.ca_file") + " has not signed the server's certificate"
		}
		return "name the certificate of the authority in " + b.option("tls_config.ca_file")
	case errors.As(err, &host):
		return "ask it by a name in its certificate, or give that name in " + b.option("tls_config.server_name")
	case errors.As(err, &invalid):
		return "the server's certificate must be replaced"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it does not speak TLS on this port; name it by http:// in " + b.option("url")
	case errors.As(err, &op) && op.Op == "remote error": // a TLS alert
		if b.HTTP.TLSConfig.CertFile == "" && b.HTTP.TLSConfig.Cert == "" {
			return "it asks for a certificate: set " + b.option("tls_config.cert_file and tls_config.key_file")
		}
		return "it does not accept the certificate in " + b.option("tls_config.cert_file")
	case errors.As(err, &op) && op.Op == "proxyconnect", strings.Contains(err.Error(), "Proxy Authentication Required"):
		if b.HTTP.ProxyURL.URL == nil {
			return "check the proxy in HTTP_PROXY and HTTPS_PROXY, or name another in " + b.option("proxy_url")
		}
		return "check " + b.option("proxy_url")
	}
	return ""
}
