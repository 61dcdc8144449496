package gateway

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/time/rate"
)

// quota is how many requests a second one client may send, how many at once
// after a pause, and how many clients are told apart at most.
type quota struct {
	perSecond rate.Limit
	burst     int
	clients   int
}

var (
	// perAddress is for everybody, before anything is known but the address:
	// many customers share one behind a proxy.
	perAddress = quota{perSecond: 1000, burst: 2000, clients: 10_000}
	// perUser is for those whom identity has recognised. A credential that was
	// not verified is no client: anybody can write a new one each time.
	perUser = quota{perSecond: 50, burst: 100, clients: 10_000}
)

// limiter holds a token bucket for each client.
type limiter struct {
	quota quota

	mu      sync.Mutex
	clients map[string]*rate.Limiter
	rest    *rate.Limiter // shared by whoever finds the table full
	swept   time.Time
}

func newLimiter(q quota) *limiter {
	return &limiter{quota: q, clients: map[string]*rate.Limiter{}, rest: rate.NewLimiter(q.perSecond, q.burst)}
}

func (l *limiter) allow(client string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.clients[client]
	if c == nil {
		// Looking through a full table takes milliseconds: not at every request.
		if now := time.Now(); len(l.clients) >= l.quota.clients && now.Sub(l.swept) >= time.Second {
			l.swept = now
			l.forget()
		}
		if len(l.clients) >= l.quota.clients {
			return l.rest.Allow()
		}
		c = rate.NewLimiter(l.quota.perSecond, l.quota.burst)
		l.clients[client] = c
	}
	return c.Allow()
}

// forget drops clients whose bucket is full again: a new one would be the same.
// Those that are being slowed stay, so that a crowd of names frees nobody.
func (l *limiter) forget() {
	for name, c := range l.clients {
		if c.Tokens() >= float64(l.quota.burst) {
			delete(l.clients, name)
		}
	}
}

// address is what a request comes from; of IPv6 the network of 64 bits, which is
// what one customer has. Forwarding headers are not trusted: anybody can write
// them.
func address(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if a := from.Addr().Unmap(); a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(from.Addr().WithZone(""), 64).Masked().String()
}

// credential is the session token or API key of a request; "" also for one that
// is not UTF-8, which nobody was given.
func credential(r *http.Request) string {
	c := r.Header.Get("X-API-Key")
	if c == "" {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			return ""
		}
		c = token
	}
	if !utf8.ValidString(c) {
		return ""
	}
	return c
}
