package hostcheck_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tenhop/tenhop/internal/hostcheck"
)

func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		why, host string
		want      bool
	}{
		{"an address", "127.0.0.1:9090", true},
		{"an address without a port", "10.0.0.7", true},
		{"an IPv6 address", "[::1]:9090", true},
		{"an IPv6 address without a port", "[::1]", true},
		{"localhost", "localhost:9090", true},
		{"a name below localhost, in capitals, with the final dot", "Jaeger.LOCALHOST.:1", true},
		{"the host of a container", "host.docker.internal:4318", true},
		{"a name that ends like the host of a container", "host.docker.internal.evil.example", false},
		{"a name that contains a reserved domain", "evilinternal", false},
		{"a configured name", "Shop.example:1", true},
		{"a name that resolves here now", "evil.example:9090", false},
		{"a name that ends like a good one", "notlocalhost", false},
		{"a name below a configured one", "evil.shop.example", false},
		{"an address as a label", "127.0.0.1.evil.example", false},
		{"no name", "", false},
	} {
		if got := hostcheck.Allowed(c.host, []string{"shop.example", ""}); got != c.want {
			t.Errorf("%s: %q is allowed: %v", c.why, c.host, got)
		}
	}
}

func TestHandler(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9090}
	network := &net.TCPAddr{IP: net.IPv4zero, Port: 9090}
	for _, c := range []struct {
		why, method, host string
		addr              net.Addr
		header            [2]string
		mode              string // Sec-Fetch-Mode
		want              int
	}{
		{why: "a query by address", host: "127.0.0.1:9090", addr: loopback, want: 200},
		{why: "a rebound name", host: "evil.example:9090", addr: loopback, want: 421},
		{why: "a container that knows the host by a name", host: "host.docker.internal:9090", addr: network, want: 200},
		{why: "an exporter", method: http.MethodPost, host: "localhost:4318", addr: loopback, want: 200},
		{why: "a form of another site", method: http.MethodPost, host: "localhost:9090", addr: loopback, header: [2]string{"Origin", "https://evil.example"}, want: 403},
		{why: "the same from a new browser", method: http.MethodPost, host: "localhost:9090", addr: loopback, header: [2]string{"Sec-Fetch-Site", "cross-site"}, want: 403},
		{why: "the same to a network", method: http.MethodPost, host: "box:9090", addr: network, header: [2]string{"Sec-Fetch-Site", "cross-site"}, want: 403},
		{why: "a link from another site", host: "localhost:16686", addr: loopback, header: [2]string{"Sec-Fetch-Site", "cross-site"}, want: 200},
		{why: "an image in a page of another site", host: "localhost:9090", addr: loopback, header: [2]string{"Sec-Fetch-Site", "cross-site"}, mode: "no-cors", want: 403},
		{why: "a script of another site", host: "localhost:9090", addr: network, header: [2]string{"Sec-Fetch-Site", "cross-site"}, mode: "cors", want: 403},
		{why: "a followed link", host: "localhost:9090", addr: loopback, header: [2]string{"Sec-Fetch-Site", "cross-site"}, mode: "navigate", want: 200},
		{why: "a script of a page on another port of this machine", host: "localhost:9090", addr: loopback, header: [2]string{"Sec-Fetch-Site", "same-site"}, mode: "cors", want: 200},
	} {
		h := hostcheck.Handler(c.addr, nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		r := httptest.NewRequest(c.method, "/", nil)
		r.Host = c.host
		if c.header[0] != "" {
			r.Header.Set(c.header[0], c.header[1])
		}
		if c.mode != "" {
			r.Header.Set("Sec-Fetch-Mode", c.mode)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.why, w.Code, c.want)
		}
	}
}
