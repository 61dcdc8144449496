// Package hostcheck protects HTTP servers without authentication from web pages in a
// user's browser. It rejects requests of other origins and prevents DNS rebinding, in
// which a page's own host name resolves to a loopback address.
package hostcheck

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Handler serves next for a server that listens on addr.
//
// A server on a loopback address answers only requests that Allowed accepts, where
// names are additional host names of the server. Others get 421 Misdirected Request. A
// server that listens on a network address accepts every host name. In both cases,
// unsafe requests from other origins, such as forms, get 403 Forbidden, and so do reads
// that Embedded reports.
func Handler(addr net.Addr, names []string, next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if Embedded(r) {
			http.Error(w, "pages of other sites may link to this server, not load from it", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	}))
	if !loopback(addr) {
		return sameOrigin
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Allowed(r.Host, names) {
			http.Error(w, "this server does not answer to the host name of the request; use its IP address or localhost", http.StatusMisdirectedRequest)
			return
		}
		sameOrigin.ServeHTTP(w, r)
	})
}

// Embedded reports whether a page of another site loads from the server, for example as
// an image or by a script. The page cannot read the response, but it can make the server
// compute it. Following a link is no such request.
func Embedded(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return r.Header.Get("Sec-Fetch-Site") == "cross-site" && mode != "" && mode != "navigate"
}

// Allowed reports whether a Host header holds an IP address, a loopback name, a name
// below internal or one of names. The port is ignored. DNS rebinding needs a name that
// a public DNS server resolves, so IP addresses are safe. The domain internal is
// reserved for private use. Containers reach their host as host.docker.internal.
func Allowed(host string, names []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	name = canonical(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || strings.HasSuffix(name, ".internal") ||
		slices.ContainsFunc(names, func(n string) bool { return n != "" && canonical(n) == name })
}

// canonical returns a DNS name in lower case and without the final dot.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
