package discoverytest

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// DNS is a DNS server that answers for the hosts it was given. Other names do not exist.
type DNS struct {
	address string
	mu      sync.Mutex
	hosts   map[string][]string
	broken  bool
}

// StartDNS starts a server, which stops when the test ends.
func StartDNS(t testing.TB) *DNS {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &DNS{address: conn.LocalAddr().String(), hosts: map[string][]string{}}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(d.answer)}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return d
}

// Set sets the IPv4 addresses of a host.
func (d *DNS) Set(host string, addresses ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts[dns.Fqdn(host)] = addresses
}

// Break makes the server fail, or not any more.
func (d *DNS) Break(broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = broken
}

// Resolver returns a resolver that asks the server.
func (d *DNS) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", d.address)
	}}
}

func (d *DNS) answer(w dns.ResponseWriter, q *dns.Msg) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	name := strings.ToLower(q.Question[0].Name)
	switch addresses := d.hosts[name]; {
	case d.broken:
		m.Rcode = dns.RcodeServerFailure
	case len(addresses) == 0:
		m.Rcode = dns.RcodeNameError
	case q.Question[0].Qtype == dns.TypeA:
		for _, a := range addresses {
			m.Answer = append(m.Answer, &dns.A{A: net.ParseIP(a), Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}})
		}
	}
	_ = w.WriteMsg(m)
}
