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

// quota limits the requests/s and the burst of one client, and the number of
// clients with a limit of their own.
type quota struct {
	perSecond rate.Limit
	burst     int
	clients   int
}

var (
	// perAddress applies before authentication. Behind a proxy many customers
	// share one address.
	perAddress = quota{perSecond: 1000, burst: 2000, clients: 10_000}
	// perUser applies to authenticated users. A credential that was not verified
	// has no limit of its own, because anybody can send a new one each time.
	perUser = quota{perSecond: 50, burst: 100, clients: 10_000}
)

// limiter holds a token bucket for each client.
type limiter struct {
	quota quota

	mu      sync.Mutex
	clients map[string]*rate.Limiter
	rest    *rate.Limiter // shared by further clients when the table is full
	swept   time.Time
}

func newLimiter(q quota) *limiter {
	return &limiter{quota: q, clients: map[string]*rate.Limiter{}, rest: rate.NewLimiter(q.perSecond, q.burst)}
}

func (l *limiter) allow(client string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket(client).Allow()
}

// bucket returns the token bucket of a client. The caller holds the lock.
func (l *limiter) bucket(client string) *rate.Limiter {
	c := l.clients[client]
	if c == nil {
		// Scanning a full table takes milliseconds, too long for every request.
		if now := time.Now(); len(l.clients) >= l.quota.clients && now.Sub(l.swept) >= time.Second {
			l.swept = now
			l.forget()
		}
		if len(l.clients) >= l.quota.clients {
			return l.rest
		}
		c = rate.NewLimiter(l.quota.perSecond, l.quota.burst)
		l.clients[client] = c
	}
	return c
}

// forget drops clients whose bucket is full again; a new bucket would be the same.
// Limited clients stay, so that many new names do not lift a limit.
func (l *limiter) forget() {
	for name, c := range l.clients {
		if c.Tokens() >= float64(l.quota.burst) {
			delete(l.clients, name)
		}
	}
}

// address returns the client's address. For IPv6 it returns the /64 network, since a
// customer usually has a whole one. Forwarding headers are not trusted, because any
// client can set them.
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

// credential returns the session token or API key of a request, or "" if it has
// none or one that is not UTF-8.
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
