package adapter

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/middleware/internal/wire"
)

// trusts reports whether the caller of a message may name its entry. A proxy's caller
// must be trusted too, since the proxy passes headers on.
func (t *Core) trusts(in *Incoming) bool {
	addr := in.caller()
	if !addr.IsValid() {
		return true
	}
	if !t.trustsAddr(addr) {
		return false
	}
	forwarded := ""
	switch {
	case in.Header != nil:
		if v := in.Header["X-Forwarded-For"]; len(v) > 0 {
			forwarded = v[len(v)-1]
		}
	case in.Carrier != nil:
		forwarded = in.Carrier.Get(wire.HeaderForwarded)
	}
	if forwarded == "" {
		return true
	}
	// The last address is the one that the nearest proxy saw.
	addr, ok := parseAddr(strings.TrimSpace(forwarded[strings.LastIndexByte(forwarded, ',')+1:]))
	return ok && t.trustsAddr(addr)
}

// TrustsCaller reports whether a caller with the IP address may name the entry. A
// string that is no IP address is trusted, such as that of a Unix socket.
func (t *Core) TrustsCaller(addr string) bool {
	a, ok := parseAddr(addr)
	return !ok || t.trustsAddr(a)
}

func (t *Core) trustsAddr(addr netip.Addr) bool {
	addr = addr.Unmap()
	if t.callers == nil {
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || carrierNAT.Contains(addr)
	}
	return slices.ContainsFunc(t.callers, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// carrierNAT is the shared address space of RFC 6598. Clouds number pods and nodes in it.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// caller returns the IP address of the caller. It is invalid when there is none.
func (in *Incoming) caller() netip.Addr {
	switch a := in.Remote.(type) {
	case nil:
	case *net.TCPAddr:
		return a.AddrPort().Addr()
	default:
		addr, _ := parseAddr(a.String())
		return addr
	}
	addr, _ := parseAddr(in.RemoteAddr)
	return addr
}

// parseAddr parses an IP address with or without a port.
func parseAddr(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return a.WithZone(""), err == nil
}
